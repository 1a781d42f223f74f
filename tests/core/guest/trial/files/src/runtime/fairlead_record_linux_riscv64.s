// The record of a port called "trial", which changes nothing else.

#include "textflag.h"
#include "go_asm.h"
DATA  runtime·fairleadRecord+0(SB)/8, $"FAIRLEAD"
DATA  runtime·fairleadRecord+8(SB)/8, $"-RECORD\x00"
DATA  runtime·fairleadRecord+16(SB)/4, $1
DATA  runtime·fairleadRecord+20(SB)/4, $1
DATA  runtime·fairleadRecord+24(SB)/8, $"trial\x00\x00\x00"
DATA  runtime·fairleadRecord+32(SB)/8, $0
DATA  runtime·fairleadRecord+40(SB)/8, $runtime·buildVersion(SB)
DATA  runtime·fairleadRecord+48(SB)/8, $3
DATA  runtime·fairleadRecord+56(SB)/8, $"allm\x00\x00\x00\x00"
DATA  runtime·fairleadRecord+64(SB)/8, $0
DATA  runtime·fairleadRecord+72(SB)/8, $runtime·allm(SB)
DATA  runtime·fairleadRecord+80(SB)/8, $"m_procid"
DATA  runtime·fairleadRecord+88(SB)/8, $0
DATA  runtime·fairleadRecord+96(SB)/8, $m_procid
DATA  runtime·fairleadRecord+104(SB)/8, $"mstart\x00\x00"
DATA  runtime·fairleadRecord+112(SB)/8, $0
DATA  runtime·fairleadRecord+120(SB)/8, $runtime·mstart(SB)
GLOBL runtime·fairleadRecord(SB), RODATA, $128
