package runtime

// registerM tells the OS half that mp may run: nobody creates a thread, it is started at mstart on the
// stack of mp.g0 when its turn comes. It returns 0, or a negative error number.
//
//go:noescape
func registerM(mp *m) int32
