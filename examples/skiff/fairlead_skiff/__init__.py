"""A skiff carries one: the smallest port of Go that runs real programs."""
