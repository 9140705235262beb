/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Two vCPUs that live on interrupts: each waits for the other's SGI, inside its handler for its own timer, and answers. They are
 * kicked without end, and moved into new VMs in the middle. One interrupt lost, and they would sleep for ever; one too many, and
 * the sums are wrong.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "gic_check.h"

#define ROUNDS 2000u
#define VCPUS  2

// clang-format off
/* Waits for an SGI (X0), then within it for the timer, which has the higher priority (X2); X20 counts, X21 and X22 add up. */
#define RECEIVE                                                                   \
    WFI, MRS_X0_IAR1, SUB_X1_X0_1023, CBZ_X1(-3),                                 \
    0xd53be049, 0x91032129,       /* mrs x9, cntvct_el0; add x9, x9, #200 */      \
    0xd51be349, MOV_X9(1), 0xd51be329, /* cntv_cval_el0, cntv_ctl_el0 */          \
    WFI, 0xd538cc02, 0xd10ffc41, CBZ_X1(-3), /* mrs x2, icc_iar1_el1 ... */       \
    0xd1006c43, 0x8b0302d6,       /* sub x3, x2, #27; add x22, x22, x3 */         \
    0xd51be33f,                   /* msr cntv_ctl_el0, xzr */                     \
    0xd518cc22, MSR_EOIR1_X0,     /* msr icc_eoir1_el1, x2 */                     \
    0x91000694, 0x8b0002b5        /* add x20, x20, #1; add x21, x21, x0 */
#define SEND   0xd518cbaa         /* msr icc_sgi1r_el1, x10 */
#define LOOP   0xd100056b, 0xb5fffd4b, HVC0 /* sub x11, x11, #1; cbnz x11, -21 instructions */
static const uint32_t code[VCPUS][28] = {
    {OPEN, SEND, RECEIVE, LOOP},
    {OPEN, RECEIVE, SEND, LOOP},
};
// clang-format on

static const hv_gic_icc_reg_t interface[] = {
    HV_GIC_ICC_REG_PMR_EL1,   HV_GIC_ICC_REG_BPR0_EL1,    HV_GIC_ICC_REG_AP0R0_EL1,
    HV_GIC_ICC_REG_AP1R0_EL1, HV_GIC_ICC_REG_BPR1_EL1,    HV_GIC_ICC_REG_CTLR_EL1,
    HV_GIC_ICC_REG_SRE_EL1,   HV_GIC_ICC_REG_IGRPEN0_EL1, HV_GIC_ICC_REG_IGRPEN1_EL1};
static const hv_sys_reg_t system_registers[] = {
    HV_SYS_REG_SCTLR_EL1,    HV_SYS_REG_VBAR_EL1,      HV_SYS_REG_CNTV_CVAL_EL0,
    HV_SYS_REG_CNTV_CTL_EL0, HV_SYS_REG_CNTP_CVAL_EL0, HV_SYS_REG_CNTP_CTL_EL0,
    HV_SYS_REG_CNTKCTL_EL1,  HV_SYS_REG_SP_EL1,        HV_SYS_REG_ELR_EL1,
    HV_SYS_REG_SPSR_EL1,     HV_SYS_REG_MPIDR_EL1,
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A vCPU that is not there at the moment. */
struct saved {
    uint64_t x[31], pc, cpsr, icc[COUNT(interface)], sys[COUNT(system_registers)];
};

static struct saved saved[VCPUS];
static hv_vcpu_t ids[VCPUS];
static _Atomic unsigned n_done, n_started;
static _Atomic bool stop;
static bool fresh;
static uint8_t *state;
static size_t state_size;
static pthread_barrier_t meet;

static void save(hv_vcpu_t vcpu, struct saved *s)
{
    for (unsigned i = 0; i < 31; i++) {
        OK(hv_vcpu_get_reg(vcpu, HV_REG_X0 + i, &s->x[i]));
    }
    OK(hv_vcpu_get_reg(vcpu, HV_REG_PC, &s->pc));
    OK(hv_vcpu_get_reg(vcpu, HV_REG_CPSR, &s->cpsr));
    for (unsigned i = 0; i < COUNT(interface); i++) {
        s->icc[i] = icc(vcpu, interface[i]);
    }
    for (unsigned i = 0; i < COUNT(system_registers); i++) {
        OK(hv_vcpu_get_sys_reg(vcpu, system_registers[i], &s->sys[i]));
    }
}

static void load(hv_vcpu_t vcpu, const struct saved *s)
{
    for (unsigned i = 0; i < 31; i++) {
        OK(hv_vcpu_set_reg(vcpu, HV_REG_X0 + i, s->x[i]));
    }
    OK(hv_vcpu_set_reg(vcpu, HV_REG_PC, s->pc));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, s->cpsr));
    for (unsigned i = 0; i < COUNT(interface); i++) {
        OK(hv_gic_set_icc_reg(vcpu, interface[i], s->icc[i]));
    }
    for (unsigned i = 0; i < COUNT(system_registers); i++) {
        OK(hv_vcpu_set_sys_reg(vcpu, system_registers[i], s->sys[i]));
    }
}

static void begin(hv_vcpu_t vcpu, unsigned n)
{
    prepare(vcpu, n);
    OK(hv_vcpu_set_reg(vcpu, HV_REG_PC, PAGE + n * sizeof(code[0])));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_X10, (uint64_t)(n + 1) << 24 | 1u << (1 - n)));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_X11, ROUNDS));
    OK(hv_gic_set_redistributor_reg(vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_IGROUPR0, 0xffffffff));
    OK(hv_gic_set_redistributor_reg(vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR0, 0x80808080));
    OK(hv_gic_set_redistributor_reg(vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR6, 0x40404040));
    OK(hv_gic_set_redistributor_reg(vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0, 0x800ffff));
}

/* Between the barriers the main thread takes or gives the GIC's state. */
static void *vcpu_thread(void *argument)
{
    const unsigned n = (unsigned)(uintptr_t)argument;
    hv_vcpu_exit_t *exit;
    bool done = false;

    while (atomic_load(&n_started) != n) {
        usleep(100);
    }
    OK(hv_vcpu_create(&ids[n], &exit, NULL));
    atomic_fetch_add(&n_started, 1);
    if (fresh) {
        begin(ids[n], n);
    } else {
        OK(hv_vcpu_set_sys_reg(ids[n], HV_SYS_REG_MPIDR_EL1, n));
    }
    pthread_barrier_wait(&meet); /* all are there: the state may be restored */
    pthread_barrier_wait(&meet);
    if (!fresh) {
        load(ids[n], &saved[n]);
        done = saved[n].x[11] == 0;
    }
    while (!atomic_load(&stop) && !done) {
        OK(hv_vcpu_run(ids[n]));
        if (exit->reason == HV_EXIT_REASON_EXCEPTION) {
            EXPECT_EQ(exit->exception.syndrome >> 26, 0x16);
            done = true;
        } else {
            EXPECT_EQ(exit->reason, HV_EXIT_REASON_CANCELED);
        }
    }
    atomic_fetch_add(&n_done, done);
    pthread_barrier_wait(&meet); /* nobody runs: the state may be saved */
    save(ids[n], &saved[n]);
    pthread_barrier_wait(&meet);
    OK(hv_vcpu_destroy(ids[n]));
    return NULL;
}

/* One VM's life; true when both have come to their end. after_us: 0 never. */
static bool live(uint8_t *memory, unsigned after_us, bool kick)
{
    pthread_t threads[VCPUS];

    vm_with_gic();
    OK(hv_vm_map(memory, PAGE, PAGE, RWX));
    if (fresh) {
        OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, 2));
    }
    atomic_store(&n_done, 0);
    atomic_store(&n_started, 0);
    atomic_store(&stop, false);
    pthread_barrier_init(&meet, NULL, VCPUS + 1);
    for (uintptr_t i = 0; i < VCPUS; i++) {
        pthread_create(&threads[i], NULL, vcpu_thread, (void *)i);
    }
    pthread_barrier_wait(&meet);
    if (!fresh) {
        OK(hv_gic_set_state(state, state_size));
    }
    pthread_barrier_wait(&meet);
    for (unsigned passed = 0; atomic_load(&n_done) != VCPUS; passed += 100) {
        if (kick) {
            OK(hv_vcpus_exit(ids, VCPUS));
        }
        if (after_us != 0 && passed >= after_us) {
            atomic_store(&stop, true);
            OK(hv_vcpus_exit(ids, VCPUS));
            break;
        }
        usleep(100);
    }
    pthread_barrier_wait(&meet);
    hv_gic_state_t object = hv_gic_state_create();
    EXPECT(object != NULL);
    OK(hv_gic_state_get_size(object, &state_size));
    free(state);
    state = malloc(state_size);
    OK(hv_gic_state_get_data(object, state));
    os_release(object);
    pthread_barrier_wait(&meet);
    for (unsigned i = 0; i < VCPUS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&meet);
    OK(hv_vm_destroy());
    return atomic_load(&n_done) == VCPUS;
}

static uint8_t *load_code(void)
{
    uint8_t *const memory = pages(1);

    memcpy(memory, code, sizeof(code));
    return memory;
}

static void expect_all_rounds(void)
{
    for (unsigned i = 0; i < VCPUS; i++) {
        EXPECT_EQ(saved[i].x[20], ROUNDS);
        EXPECT_EQ(saved[i].x[21], ROUNDS * (uint64_t)(2 - i)); /* vCPU 0 sends INTID 1 */
        EXPECT_EQ(saved[i].x[22], 0);
    }
}

TEST(interrupts_survive_a_storm_of_kicks)
{
    uint8_t *const memory = load_code();

    fresh = true;
    EXPECT(live(memory, 0, true));
    expect_all_rounds();
    OK(hv_vm_deallocate(memory, PAGE));
}

TEST(a_running_guest_moves_from_vm_to_vm)
{
    uint8_t *const memory = load_code();
    unsigned moves = 0;

    fresh = true;
    while (!live(memory, 1000 + moves % 7 * 500, false)) {
        fresh = false;
        moves++;
    }
    printf("# moved %u times\n", moves);
    EXPECT(moves > 0);
    expect_all_rounds();
    OK(hv_vm_deallocate(memory, PAGE));
}

MAIN(T(interrupts_survive_a_storm_of_kicks), T(a_running_guest_moves_from_vm_to_vm))
