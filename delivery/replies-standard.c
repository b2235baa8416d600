/*
 * replies-standard - the text of etc/replies, as a part of this program
 *
 * So that there is no path to be found in each tree and room, and none that could be missing when it is needed.
 */
#include "delivery/replies.h"

__asm__(".section .rodata\n"
	".global replies_standard, replies_standard_len\n"
	".balign 8\n"
	"replies_standard_len: .quad replies_standard_end - replies_standard\n"
	"replies_standard:\n"
	".incbin \"etc/replies\"\n"
	"replies_standard_end:\n"
	".byte 0\n"
	".previous\n");
