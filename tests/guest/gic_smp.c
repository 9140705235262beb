/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Eight vCPUs and their interrupts: SGIs by list and to all others, SPIs by affinity and 1 of N, each a vCPU's own timer. */
#include "lib/gic.h"

#define ROUNDS 200u
#define SPI    50u

static volatile uint32_t got[GUEST_CPUS][64];

void guest_exception(struct frame *frame)
{
    const unsigned cpu = (unsigned)READ_SYSREG(mpidr_el1) & 0xff;

    if (frame->kind != 5) {
        print_hex("unexpected exception, ESR", frame->esr);
        guest_exit(99);
    }
    const unsigned intid = acknowledge();
    if (intid >= 64) {
        return; /* spurious: taken back before it was acknowledged */
    }
    if (intid == 27) {
        WRITE_SYSREG(cntv_ctl_el0, 0);
    }
    __atomic_fetch_add(&got[cpu][intid], 1, __ATOMIC_ACQ_REL);
    END(intid);
    __asm__ volatile("sev");
}

static uint32_t seen(unsigned cpu, unsigned intid)
{
    return __atomic_load_n(&got[cpu][intid], __ATOMIC_ACQUIRE);
}

/* Masked between the look and the wait: what comes in between ends the wait, and is taken after it. */
static void wait_for(unsigned cpu, unsigned intid, uint32_t count)
{
    IRQ_OFF();
    while (seen(cpu, intid) < count) {
        __asm__ volatile("wfi");
        IRQ_ON();
        IRQ_OFF();
    }
    IRQ_ON();
}

static void show(const char *title, unsigned intid)
{
    print(title);
    print("\n");
    for (unsigned cpu = 0; cpu < GUEST_CPUS; cpu++) {
        print_dec("  times", seen(cpu, intid));
    }
}

static void own_timer(void)
{
    for (unsigned i = 1; i <= 5; i++) {
        const unsigned cpu = (unsigned)READ_SYSREG(mpidr_el1) & 0xff;
        WRITE_SYSREG(cntv_tval_el0, READ_SYSREG(cntfrq_el0) / 2000);
        WRITE_SYSREG(cntv_ctl_el0, 1);
        wait_for(cpu, 27, i);
    }
}

/* A message that goes round: each passes it on, asleep until it comes. */
static void ring(unsigned cpu)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        if (cpu == 0) {
            send_sgi(1, 1u << 1);
        }
        wait_for(cpu, 1, i);
        if (cpu != 0) {
            send_sgi(1, 1u << (cpu + 1) % GUEST_CPUS);
        }
    }
}

static void everyone(unsigned cpu)
{
    gicr_on(cpu);
    barrier(); /* 1 */
    IRQ_ON();
    ring(cpu);
    barrier(); /* 2 */
    send_sgi_to_others(2);
    barrier(); /* 3 */
    wait_for(cpu, 2, 1);
    own_timer();
    barrier(); /* 4 */
    /* What vCPU 0 does now comes here as interrupts. */
    barrier(); /* 5 */
    IRQ_OFF();
}

static uint32_t total(unsigned intid)
{
    uint32_t sum = 0;

    for (unsigned cpu = 0; cpu < GUEST_CPUS; cpu++) {
        sum += seen(cpu, intid);
    }
    return sum;
}

/* One at a time to each by affinity, then to whoever. */
static void shared(void)
{
    const unsigned word = SPI / 32 * 4;
    const uint32_t bit = 1u << SPI % 32;

    REG32(GICD + IGROUPR + word) = 0xffffffff;
    REG8(GICD + IPRIORITYR + SPI) = 0x40;
    REG32(GICD + ICFGR + SPI / 16 * 4) = 2u << SPI % 16 * 2;
    REG32(GICD + ISENABLER + word) = bit;
    for (unsigned i = 0; i < 4 * GUEST_CPUS; i++) {
        REG64(GICD + IROUTER + 8 * SPI) = i % GUEST_CPUS;
        gic_sync();
        const uint32_t before = seen(i % GUEST_CPUS, SPI);
        REG32(GICD + ISPENDR + word) = bit;
        while (seen(i % GUEST_CPUS, SPI) == before) {
        }
    }
    show("SPI by affinity", SPI);
    REG64(GICD + IROUTER + 8 * SPI) = 1ull << 31;
    gic_sync();
    for (unsigned i = 0; i < 8; i++) {
        const uint32_t before = total(SPI);
        REG32(GICD + ISPENDR + word) = bit;
        while (total(SPI) == before) {
        }
    }
    print_dec("8 times 1 of N, all together", total(SPI));
}

int guest_main(void)
{
    map_identity();
    gicd_on();
    for (unsigned cpu = 1; cpu < GUEST_CPUS; cpu++) {
        print_dec("CPU_ON", (uint64_t)start_cpu(cpu, everyone));
    }
    for (unsigned cpu = 0; cpu < GUEST_CPUS; cpu++) {
        print_hex("affinity and number",
                  (REG64(GICR(cpu) + 8) >> 32) << 16 | (REG64(GICR(cpu) + 8) >> 8 & 0xffff));
        print_hex("last", REG64(GICR(cpu) + 8) >> 4 & 1);
    }
    gicr_on(0);
    barrier(); /* 1 */
    IRQ_ON();
    ring(0);
    barrier(); /* 2 */
    show("a message round the ring", 1);
    barrier(); /* 3 */
    wait_for(0, 2, 1);
    own_timer();
    barrier(); /* 4 */
    show("timers of their own", 27);
    shared();
    barrier(); /* 5 */
    IRQ_OFF();
    return 0;
}
