/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One vCPU's GICv3: registers, priorities, preemption, the two steps of an end of interrupt, groups, triggers, timers. */
#include "lib/gic.h"

#define LOG 32

static struct {
    unsigned intid, running;
} taken[LOG];
static unsigned n_taken;
static unsigned nested_sgi; /* sent from the handler of another */
static bool leave_active;   /* the handler ends without deactivation */
static volatile unsigned fiqs;

/* IRQ: 5, FIQ: 6, from EL1 with its own stack. */
void guest_exception(struct frame *frame)
{
    if (frame->kind == 6) {
        const unsigned intid = (unsigned)READ_SYSREG(icc_iar0_el1);
        print_dec("FIQ", intid);
        WRITE_SYSREG(icc_eoir0_el1, intid);
        fiqs++;
        return;
    }
    if (frame->kind != 5) {
        print_hex("unexpected exception, ESR", frame->esr);
        guest_exit(99);
    }
    const unsigned intid = acknowledge();
    if (intid >= 1020) {
        print_dec("spurious", intid);
        return;
    }
    if (n_taken < LOG) {
        taken[n_taken].intid = intid;
        taken[n_taken++].running = (unsigned)READ_SYSREG(icc_rpr_el1);
    }
    if (intid == 27) {
        WRITE_SYSREG(cntv_ctl_el0, 0);
    } else if (intid == 30) {
        WRITE_SYSREG(cntp_ctl_el0, 0);
    }
    if (nested_sgi != 0) {
        const unsigned sgi = nested_sgi;
        nested_sgi = 0;
        send_sgi(sgi, 1);
        IRQ_ON();
        for (volatile unsigned i = 0; i < 1000; i++) {
        }
        IRQ_OFF();
    }
    END(intid);
    if (READ_SYSREG(icc_ctlr_el1) & 2 && !leave_active) {
        WRITE_SYSREG(icc_dir_el1, intid);
    }
}

static void show(const char *title)
{
    gic_sync();
    print(title);
    print("\n");
    for (unsigned i = 0; i < n_taken; i++) {
        print_dec("  INTID", taken[i].intid);
        print_hex("  RPR", taken[i].running);
    }
    n_taken = 0;
}

static void open_window(void)
{
    IRQ_ON();
    for (volatile unsigned i = 0; i < 1000; i++) {
    }
    IRQ_OFF();
}

static void set_priority(unsigned intid, unsigned priority)
{
    REG8(GICR_SGI(0) + IPRIORITYR + intid) = (uint8_t)priority;
    gic_sync();
}

/* --- Registers --------------------------------------------------------------------------------------------------------------- */

static void identification(void)
{
    print_hex("GICD_PIDR2", REG32(GICD + 0xffe8));
    print_hex("GICR_PIDR2", REG32(GICR(0) + 0xffe8));
    print_hex("GICD_CTLR", REG32(GICD));
    print_hex("GICR_TYPER Last", REG64(GICR(0) + 8) >> 4 & 1);
    print_hex("GICR_TYPER affinity", REG64(GICR(0) + 8) >> 32);
    print_hex("GICR_TYPER upper half", REG32(GICR(0) + 12));
    print_hex("ICC_SRE_EL1", READ_SYSREG(icc_sre_el1));
    print_hex("ICC_CTLR_EL1.PRIbits", READ_SYSREG(icc_ctlr_el1) >> 8 & 7);
    print_hex("ICC_RPR_EL1 idle", READ_SYSREG(icc_rpr_el1));
    print_dec("IAR with nothing pending", acknowledge());
    print_dec("HPPIR with nothing pending", READ_SYSREG(icc_hppir1_el1));
}

static void register_widths(void)
{
    REG32(GICD + IPRIORITYR + 40) = 0xf8f80840; /* QEMU keeps the bits below the five that exist */
    print_hex("IPRIORITYR10", REG32(GICD + IPRIORITYR + 40));
    print_hex("byte 1", REG8(GICD + IPRIORITYR + 41));
    REG8(GICD + IPRIORITYR + 42) = 0x18;
    print_hex("byte 2 written", REG32(GICD + IPRIORITYR + 40));
    REG64(GICD + IROUTER + 8 * 40) = 0x123;
    print_hex("IROUTER40", REG64(GICD + IROUTER + 8 * 40));
    REG32(GICD + IROUTER + 8 * 40) = 0;
    print_hex("IROUTER40, lower half written", REG64(GICD + IROUTER + 8 * 40));
    print_hex("IGROUPR0 of the Distributor", REG32(GICD + IGROUPR));
    print_hex("reserved", REG32(GICD + 0xf80));
    REG32(GICD + ICFGR + 4 * 2) = 0xffffffff;
    print_hex("ICFGR2", REG32(GICD + ICFGR + 4 * 2));
    REG32(GICD + ICFGR + 4 * 2) = 0;
    print_hex("ICFGR2", REG32(GICD + ICFGR + 4 * 2));
    print_hex("ICFGR0 of the Redistributor", REG32(GICR_SGI(0) + ICFGR));
    WRITE_SYSREG(icc_pmr_el1, 0xff);
    print_hex("ICC_PMR_EL1 of 0xff", READ_SYSREG(icc_pmr_el1));
    WRITE_SYSREG(icc_bpr0_el1, 0);
    print_hex("least ICC_BPR0_EL1", READ_SYSREG(icc_bpr0_el1));
    print_hex("least ICC_BPR1_EL1", READ_SYSREG(icc_bpr1_el1));
    WRITE_SYSREG(icc_bpr0_el1, 5);
    WRITE_SYSREG(icc_ctlr_el1, 1);
    print_hex("ICC_BPR1_EL1 with CBPR", READ_SYSREG(icc_bpr1_el1));
    WRITE_SYSREG(icc_ctlr_el1, 0);
    WRITE_SYSREG(icc_bpr0_el1, 0);
}

static void set_and_clear_bits(void)
{
    const uint64_t sgi = GICR_SGI(0);

    REG32(GICD + ICENABLER + 4) = 0xffffffff;
    REG32(GICD + ISENABLER + 4) = 0x0f0;
    print_hex("ISENABLER1", REG32(GICD + ISENABLER + 4));
    REG32(GICD + ICENABLER + 4) = 0x030;
    print_hex("ICENABLER1", REG32(GICD + ICENABLER + 4));
    REG32(GICD + ISPENDR + 4) = 0x900;
    REG32(GICD + ICPENDR + 4) = 0x100;
    print_hex("ISPENDR1", REG32(GICD + ISPENDR + 4));
    REG32(GICD + ICPENDR + 4) = 0x800;
    REG32(GICD + ISACTIVER + 4) = 0x3000;
    REG32(GICD + ICACTIVER + 4) = 0x1000;
    print_hex("ISACTIVER1", REG32(GICD + ISACTIVER + 4));
    REG32(GICD + ICACTIVER + 4) = 0x2000;
    REG32(GICD + ICENABLER + 4) = 0xffffffff;
    REG32(sgi + ISPENDR) = 1u << 20;
    print_hex("ISPENDR0", REG32(sgi + ISPENDR));
    print_dec("HPPIR", READ_SYSREG(icc_hppir1_el1));
    REG32(sgi + ISACTIVER) = 1u << 20;
    gic_sync();
    print_dec("HPPIR when it is active", READ_SYSREG(icc_hppir1_el1));
    REG32(sgi + ICACTIVER) = 1u << 20;
    REG32(sgi + ICPENDR) = 1u << 20;
    gic_sync();
    print_dec("HPPIR when it is not pending", READ_SYSREG(icc_hppir1_el1));
}

/* --- Delivery ---------------------------------------------------------------------------------------------------------------- */

static void self_sgi(void)
{
    send_sgi(3, 1);
    gic_sync();
    print_dec("HPPIR", READ_SYSREG(icc_hppir1_el1));
    print_hex("ISR_EL1", READ_SYSREG(isr_el1));
    const unsigned intid = acknowledge();
    print_dec("IAR", intid);
    print_hex("active", REG32(GICR_SGI(0) + ISACTIVER));
    print_hex("pending", REG32(GICR_SGI(0) + ISPENDR));
    print_hex("RPR", READ_SYSREG(icc_rpr_el1));
    print_hex("AP1R0", READ_SYSREG(icc_ap1r0_el1));
    print_hex("ISR_EL1", READ_SYSREG(isr_el1));
    END(intid);
    print_hex("RPR at the end", READ_SYSREG(icc_rpr_el1));
    print_hex("active", REG32(GICR_SGI(0) + ISACTIVER));
}

static void priorities(void)
{
    set_priority(1, 0x90);
    set_priority(2, 0x50);
    set_priority(3, 0x50);
    set_priority(4, 0xf0);
    send_sgi(4, 1);
    send_sgi(1, 1);
    send_sgi(3, 1);
    send_sgi(2, 1);
    open_window();
    show("in the order of priority");

    WRITE_SYSREG(icc_pmr_el1, 0x90);
    send_sgi(1, 1);
    send_sgi(2, 1);
    open_window();
    show("PMR masks 0x90");
    print_dec("HPPIR behind the mask", READ_SYSREG(icc_hppir1_el1));
    WRITE_SYSREG(icc_pmr_el1, 0xff);
    open_window();
    show("unmasked");
}

static void preemption(void)
{
    set_priority(5, 0x80);
    set_priority(6, 0x40);
    set_priority(7, 0x88);
    nested_sgi = 6;
    send_sgi(5, 1);
    open_window();
    show("6 preempts 5");
    nested_sgi = 7;
    send_sgi(5, 1);
    open_window();
    show("7 does not");
    nested_sgi = 5;
    send_sgi(5, 1);
    open_window();
    show("5 while it is active");

    WRITE_SYSREG(icc_bpr1_el1, 7); /* group priority: bit 7 */
    set_priority(5, 0x60);
    set_priority(6, 0x10);
    nested_sgi = 6;
    send_sgi(5, 1);
    open_window();
    show("BPR1 7: 0x10 does not preempt 0x60");
    set_priority(5, 0x90);
    nested_sgi = 6;
    send_sgi(5, 1);
    open_window();
    show("BPR1 7: but 0x90");
    WRITE_SYSREG(icc_bpr1_el1, 0);
}

static void end_in_two_steps(void)
{
    WRITE_SYSREG(icc_ctlr_el1, 2); /* EOImode */
    leave_active = true;
    send_sgi(8, 1);
    open_window();
    show("dropped, not deactivated");
    print_hex("RPR", READ_SYSREG(icc_rpr_el1));
    print_hex("active", REG32(GICR_SGI(0) + ISACTIVER));
    send_sgi(8, 1);
    open_window();
    show("pending again, but active");
    WRITE_SYSREG(icc_dir_el1, 8);
    print_hex("active after DIR", REG32(GICR_SGI(0) + ISACTIVER));
    leave_active = false;
    open_window();
    show("and then");
    WRITE_SYSREG(icc_ctlr_el1, 0);
    END(9); /* nothing is active */
    print_hex("RPR after a stray end", READ_SYSREG(icc_rpr_el1));
    print_hex("active", REG32(GICR_SGI(0) + ISACTIVER));
}

static void groups(void)
{
    REG32(GICR_SGI(0) + IGROUPR) = ~(1u << 10);
    WRITE_SYSREG(icc_igrpen0_el1, 1);
    gic_sync();
    send_sgi(10, 1); /* Group 1 only */
    open_window();
    print_dec("FIQs of SGI1R for a Group 0 SGI", fiqs);
    WRITE_SYSREG(icc_sgi0r_el1, 10u << 24 | 1);
    gic_sync();
    print_dec("IAR1 of a Group 0 interrupt", acknowledge());
    print_dec("HPPIR0", READ_SYSREG(icc_hppir0_el1));
    print_hex("ISR_EL1", READ_SYSREG(isr_el1));
    open_window();
    print_dec("FIQs", fiqs);
    WRITE_SYSREG(icc_igrpen0_el1, 0);
    REG32(GICR_SGI(0) + IGROUPR) = 0xffffffff;
    gic_sync();
    REG32(GICD) = 1 | 1 << 4;
    gic_sync();
    send_sgi(11, 1);
    open_window();
    show("Group 1 off in the Distributor");
    gicd_on();
    open_window();
    show("on");
    WRITE_SYSREG(icc_igrpen1_el1, 0);
    send_sgi(11, 1);
    open_window();
    show("Group 1 off in the CPU interface");
    WRITE_SYSREG(icc_igrpen1_el1, 1);
    open_window();
    show("on");
}

static void shared(void)
{
    const unsigned spi = 42, word = spi / 32 * 4;
    const uint32_t bit = 1u << spi % 32;

    REG32(GICD + IGROUPR + word) = 0xffffffff;
    REG64(GICD + IROUTER + 8 * spi) = 0;
    REG8(GICD + IPRIORITYR + spi) = 0x70;
    REG32(GICD + ISPENDR + word) = bit;
    open_window();
    show("SPI pending, not enabled");
    REG32(GICD + ISENABLER + word) = bit;
    open_window();
    show("enabled");
    REG64(GICD + IROUTER + 8 * spi) = 0x77; /* nobody */
    REG32(GICD + ISPENDR + word) = bit;
    open_window();
    show("routed to nobody");
    REG64(GICD + IROUTER + 8 * spi) = 0;
    open_window();
    show("routed here");
    REG32(GICD + ICENABLER + word) = bit;
}

static void timers(void)
{
    const uint64_t soon = READ_SYSREG(cntfrq_el0) / 1000;

    WRITE_SYSREG(cntv_cval_el0, 0);
    WRITE_SYSREG(cntv_ctl_el0, 1);
    gic_sync();
    print_hex("due: pending", REG32(GICR_SGI(0) + ISPENDR));
    REG32(GICR_SGI(0) + ICPENDR) = 1u << 27;
    gic_sync();
    print_hex("a level is not cleared", REG32(GICR_SGI(0) + ISPENDR));
    WRITE_SYSREG(cntv_ctl_el0, 3);
    gic_sync();
    print_hex("IMASK", REG32(GICR_SGI(0) + ISPENDR));
    WRITE_SYSREG(cntv_ctl_el0, 1);
    gic_sync();
    print_dec("HPPIR", READ_SYSREG(icc_hppir1_el1));
    open_window();
    show("taken once");

    WRITE_SYSREG(cntv_tval_el0, soon);
    WRITE_SYSREG(cntv_ctl_el0, 1);
    while (READ_SYSREG(cntv_ctl_el0) == 1) {
        __asm__ volatile("wfi");
    }
    open_window();
    show("WFI until CNTV");
    WRITE_SYSREG(cntp_tval_el0, soon);
    WRITE_SYSREG(cntp_ctl_el0, 1);
    while (READ_SYSREG(cntp_ctl_el0) == 1) {
        __asm__ volatile("wfi");
    }
    open_window();
    show("WFI until CNTP");
    WRITE_SYSREG(cntv_tval_el0, soon);
    WRITE_SYSREG(cntv_ctl_el0, 1);
    while (READ_SYSREG(cntv_ctl_el0) != 0) {
        __asm__ volatile("wfi");
        IRQ_ON();
        IRQ_OFF();
    }
    show("WFI with interrupts on");
}

int guest_main(void)
{
    map_identity();
    identification();
    gicd_on();
    gicr_on(0);
    register_widths();
    set_and_clear_bits();
    self_sgi();
    priorities();
    preemption();
    end_in_two_steps();
    groups();
    shared();
    timers();
    return 0;
}
