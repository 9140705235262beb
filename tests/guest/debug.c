/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Self-hosted debug at EL1: breakpoint, watchpoint, software step. */
#include "lib/guest.h"

#define MDSCR_SS  (1ull << 0)
#define MDSCR_KDE (1ull << 13)
#define MDSCR_MDE (1ull << 15)

static uint64_t watched[2];
static uint64_t
    anchor; /* addresses are printed relative to it: the two machines link the same image, and still */
static unsigned steps;

void guest_exception(struct frame *frame)
{
    print_hex(" ESR", frame->esr);
    print_hex(" ELR", frame->elr - anchor);
    switch (frame->esr >> 26) {
    case 0x15: /* SVC: step from here; PSTATE.D is masked until the return */
        steps = 0;
        WRITE_SYSREG(mdscr_el1, MDSCR_SS | MDSCR_KDE);
        frame->spsr |= 1ull << 21;
        break;
    case 0x31: /* breakpoint */
        WRITE_SYSREG(dbgbcr0_el1, 0);
        break;
    case 0x33: /* step */
        if (++steps < 3) {
            frame->spsr |= 1ull << 21;
        } else {
            WRITE_SYSREG(mdscr_el1, 0);
        }
        break;
    case 0x35: /* watchpoint */
        print_hex(" FAR", frame->far - (uint64_t)watched);
        WRITE_SYSREG(dbgwcr0_el1, 0);
        break;
    default:
        print("not expected\n");
        guest_exit(1);
    }
}

int guest_main(void)
{
    extern const uint32_t break_here[], step_here[], watch_store[];

    WRITE_SYSREG(oslar_el1, 0);
    WRITE_SYSREG(mdscr_el1, MDSCR_KDE | MDSCR_MDE);

    print("breakpoint\n");
    anchor = (uint64_t)break_here;
    WRITE_SYSREG(dbgbvr0_el1, break_here);
    WRITE_SYSREG(dbgbcr0_el1, 0x1e3); /* enabled, EL1, all bytes */
    __asm__ volatile(
        "msr daifclr, #8\n nop\n .globl break_here\nbreak_here: nop\n msr daifset, #8" ::
            : "memory");

    print("breakpoint that is masked by PSTATE.D\n");
    WRITE_SYSREG(dbgbcr0_el1, 0x1e3);
    __asm__ volatile("b 1f\n1: adr x9, break_here\n cmp x9, xzr" ::: "x9", "cc", "memory");
    WRITE_SYSREG(dbgbcr0_el1, 0);

    print("watchpoint on the second doubleword\n");
    anchor = (uint64_t)watch_store;
    WRITE_SYSREG(dbgwvr0_el1, &watched[1]);
    WRITE_SYSREG(dbgwcr0_el1, 0x1ff3); /* enabled, EL1, stores, eight bytes */
    __asm__ volatile(
        "msr daifclr, #8\n str %1, [%0]\n ldr x9, [%0, #8]\n .globl watch_store\nwatch_store: str %1, [%0, #8]\n"
        " msr daifset, #8" ::"r"(watched),
        "r"(77ull)
        : "x9", "memory");
    print_dec(" stored", watched[1]);

    print("step\n");
    anchor = (uint64_t)step_here;
    __asm__ volatile(
        "msr daifclr, #8\n svc #1\n .globl step_here\nstep_here: mov x9, #1\n add x9, x9, #1\n cbnz x9, 1f\n nop\n"
        "1: nop\n msr daifset, #8" ::
            : "x9", "memory");
    print_dec(" steps", steps);
    return 0;
}
