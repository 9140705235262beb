/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include "engine/a64/block.h"
#include "engine/a64/mode.h"
#include "engine/sys/debug.h"
#include "engine/sys/sys_test.h"

#define DAIF (PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F)

static void reset_state(void)
{
    start("m4", false);
    EXPECT_EQ(cpu_get_cpsr(cpu), 0x3c5);
    uint64_t value = 1;
    EXPECT_EQ(sysreg_host_get(cpu, 0xc080, &value), SYSREG_HOST_OK); /* SCTLR_EL1 */
    EXPECT_EQ(value, 0);
    EXPECT_EQ(MODE_FP_TRAP(cpu->mode_key), 1); /* CPACR_EL1 is 0 */
    EXPECT_EQ(cpu->mmu_index, MMU_E10_1);
}

static void svc_and_back(void)
{
    start("m4", false);
    cpu->sys[SR_VBAR_EL1] = 0x80000;
    cpu->sys[SR_SCTLR_EL1] = SCTLR_DSSBS; /* SPAN = 0 */
    cpu_set_sp(cpu, 0, 0x1000);
    cpu_set_sp(cpu, 1, 0x2000);
    cpu_set_cpsr(cpu, NZCV_C | PSTATE_DIT); /* EL0t */
    EXPECT_EQ(cpu->x[31], 0x1000);
    cpu->pc = 0x4000;
    EXPECT_EQ(helper_svc(cpu, NULL, 0, 0, 0x123), IR_GO);
    EXPECT_EQ(cpu->pc, 0x80400);
    EXPECT_EQ(cpu->sys[SR_ELR_EL1], 0x4004);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x56000123);
    EXPECT_EQ(cpu->sys[SR_SPSR_EL1], NZCV_C | PSTATE_DIT);
    /* m4 has PAN and DIT, but neither SSBS nor MTE. */
    EXPECT_EQ(cpu->pstate, PSTATE_EL(1) | PSTATE_SP | DAIF | PSTATE_PAN | PSTATE_DIT);
    EXPECT_EQ(cpu->x[31], 0x2000);
    EXPECT_EQ(cpu->mmu_index, MMU_E10_1_PAN);

    cpu->excl_valid = true;
    EXPECT_EQ(helper_eret(cpu, NULL, 0, 0, 0), IR_GO);
    EXPECT_EQ(cpu->pc, 0x4004);
    EXPECT_EQ(cpu_get_cpsr(cpu), NZCV_C | PSTATE_DIT);
    EXPECT_EQ(cpu->x[31], 0x1000);
    EXPECT(!cpu->excl_valid);
    EXPECT_EQ(cpu->sp_el[1], 0x2000);
}

static void vectors(void)
{
    static const struct {
        uint32_t cpsr;
        unsigned offset;
    } cases[] = {{PSTATE_EL(1), 0}, {PSTATE_EL(1) | PSTATE_SP, 0x200}, {PSTATE_EL(0), 0x400}};

    for (unsigned i = 0; i < 3; i++) {
        start("m4", false);
        cpu->sys[SR_VBAR_EL1] = 0x80000 | 0x7ff; /* the low bits do not count */
        cpu_set_cpsr(cpu, cases[i].cpsr);
        EXPECT_EQ(exc_undefined(cpu), IR_GO);
        EXPECT_EQ(cpu->pc, 0x80000 + cases[i].offset);
        EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x02000000);

        cpu_set_cpsr(cpu, cases[i].cpsr);
        cpu->irq_pending = true;
        EXPECT(exc_take_pending_interrupt(cpu));
        EXPECT_EQ(cpu->pc, 0x80080 + cases[i].offset);
        EXPECT(!exc_take_pending_interrupt(cpu)); /* masked by the entry */

        cpu->fiq_pending = true; /* before the IRQ */
        cpu_set_cpsr(cpu, cases[i].cpsr);
        EXPECT((atomic_load(&cpu->requests) & CPU_REQUEST_IRQ) != 0);
        EXPECT(exc_take_pending_interrupt(cpu));
        EXPECT_EQ(cpu->pc, 0x80100 + cases[i].offset);
    }
}

static void hypercalls(void)
{
    start("m4", false);
    cpu->pc = 0x1000;
    EXPECT_EQ(helper_hvc(cpu, NULL, 0, 0, 7), IR_LEAVE);
    EXPECT_EQ(cpu->exit.reason, CPU_EXIT_EXCEPTION);
    EXPECT_EQ(cpu->exit.syndrome, 0x5a000007);
    EXPECT_EQ(cpu->pc, 0x1004);

    /* The band that Apple's framework answers itself; only with immediate 0, and only by bits 31:24. */
    cpu->x[0] = 0xdeadbeefc1234567;
    EXPECT_EQ(helper_hvc(cpu, NULL, 0, 0, 0), IR_END);
    EXPECT_EQ(cpu->x[0], 0xffffffff);
    EXPECT_EQ(cpu->pc, 0x1004);
    cpu->x[0] = 0xc1000000;
    EXPECT_EQ(helper_hvc(cpu, NULL, 0, 0, 1), IR_LEAVE);
    cpu->x[0] = 0xc2000000;
    EXPECT_EQ(helper_hvc(cpu, NULL, 0, 0, 0), IR_LEAVE);
    cpu->x[0] = 0xc1000000;
    vm.config.hvc_band_exits = true;
    EXPECT_EQ(helper_hvc(cpu, NULL, 0, 0, 0), IR_LEAVE);
    EXPECT_EQ(cpu->x[0], 0xc1000000);

    cpu->pc = 0x1000;
    EXPECT_EQ(helper_smc(cpu, NULL, 0, 0, 0), IR_LEAVE);
    EXPECT_EQ(cpu->exit.syndrome, 0x5e000000);
    EXPECT_EQ(cpu->pc, 0x1000);

    at_el(0);
    EXPECT_EQ(helper_hvc(cpu, NULL, 0, 0, 0), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1] >> 26, EC_UNKNOWN);

    /* With EL2 the guest has its own hypervisor. */
    start("m4", true);
    cpu->sys[SR_VBAR_EL2] = 0x90000;
    cpu->pc = 0x1000;
    EXPECT_EQ(helper_hvc(cpu, NULL, 0, 0, 3), IR_GO);
    EXPECT_EQ(cpu->pc, 0x90400);
    EXPECT_EQ(cpu->sys[SR_ESR_EL2], 0x5a000003);
    EXPECT_EQ(cpu->sys[SR_ELR_EL2], 0x1004);
    EXPECT_EQ(cpu_el(cpu), 2);
    EXPECT_EQ(cpu->mmu_index, MMU_E2);
    EXPECT_EQ(helper_smc(cpu, NULL, 0, 0, 0), IR_LEAVE);
    at_el(1);
    cpu->sys[SR_HCR_EL2] |= HCR_TSC;
    EXPECT_EQ(helper_smc(cpu, NULL, 0, 0, 0), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL2], 0x5e000000);
}

static void aborts(void)
{
    static const struct {
        const char *what;
        struct fault fault;
        uint32_t template, esr;
    } cases[] = {
        {"translation, level 3, load",
         {.type = FAULT_TRANSLATION, .level = 3, .stage = 1},
         0x1c10000,
         0x96000007},
        {"permission, level 2, store",
         {.type = FAULT_PERMISSION, .level = 2, .stage = 1, .is_write = true},
         0x1c10000,
         0x9600004e},
        {"access flag, level 1",
         {.type = FAULT_ACCESS_FLAG, .level = 1, .stage = 1},
         0,
         0x96000009},
        {"address size, level 0",
         {.type = FAULT_ADDRESS_SIZE, .level = 0, .stage = 1},
         0,
         0x96000000},
        {"alignment", {.type = FAULT_ALIGNMENT, .stage = 1}, 0, 0x96000021},
        {"cache maintenance",
         {.type = FAULT_TRANSLATION, .level = 3, .stage = 1, .is_cm = true},
         0,
         0x96000147},
        {"exclusive", {.type = FAULT_UNSUPPORTED_EXCLUSIVE, .stage = 1}, 0, 0x96000035},
        {"fetch",
         {.type = FAULT_PERMISSION, .level = 3, .stage = 1, .is_fetch = true},
         0,
         0x8600000f},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start("m4", false);
        cpu->fault = cases[i].fault;
        cpu->fault.va = 0x123456789;
        EXPECT_EQ(exc_abort(cpu, cases[i].template), IR_GO);
        EXPECT_EQ(cpu->sys[SR_ESR_EL1], cases[i].esr);
        EXPECT_EQ(cpu->sys[SR_FAR_EL1], 0x123456789);
    }

    /* From EL0 the class is the one of a lower EL. */
    at_el(0);
    cpu->fault = (struct fault){.type = FAULT_TRANSLATION, .level = 2, .stage = 1};
    exc_abort(cpu, 0);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x92000006);

    /* STR W5, [X] to an IPA that nothing is mapped at: leaves, and touches no register of the guest. */
    start("m4", false);
    cpu->sys[SR_ESR_EL1] = 0x77;
    cpu->pc = 0x4000;
    cpu->fault = (struct fault){.type = FAULT_TRANSLATION,
                                .level = 3,
                                .stage = 3,
                                .is_write = true,
                                .va = 0xffff800012345678,
                                .ipa = 0x9000678};
    EXPECT_EQ(exc_abort(cpu, 0x1850000), IR_LEAVE);
    EXPECT_EQ(cpu->exit.syndrome, 0x93850047);
    EXPECT_EQ(cpu->exit.virtual_address, 0xffff800012345678);
    EXPECT_EQ(cpu->exit.physical_address, 0x9000678);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x77);
    EXPECT_EQ(cpu->pc, 0x4000);
    /* On a walk there is no instruction syndrome. */
    cpu->fault.s1_walk = true;
    cpu->fault.is_write = false;
    EXPECT_EQ(exc_abort(cpu, 0x1850000), IR_LEAVE);
    EXPECT_EQ(cpu->exit.syndrome, 0x92000087);
    cpu->fault = (struct fault){
        .type = FAULT_TRANSLATION, .level = 3, .stage = 3, .is_fetch = true};
    EXPECT_EQ(exc_abort(cpu, 0), IR_LEAVE);
    EXPECT_EQ(cpu->exit.syndrome, 0x82000007);

    /* The guest's own stage 2. */
    start("m4", true);
    cpu->fault = (struct fault){
        .type = FAULT_TRANSLATION, .level = 2, .stage = 2, .va = 0x5000, .ipa = 0x12345678};
    EXPECT_EQ(exc_abort(cpu, 0x1850000), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL2], 0x93850006);
    EXPECT_EQ(cpu->sys[SR_HPFAR_EL2], 0x123450);
    EXPECT_EQ(cpu->sys[SR_FAR_EL2], 0x5000);
}

static void illegal_return(void)
{
    static const uint32_t illegal[] = {
        PSTATE_EL(2) | PSTATE_SP, PSTATE_EL(3), PSTATE_SP /* EL0 with SP */, PSTATE_NRW,
        PSTATE_EL(1) | 2,
    };

    for (unsigned i = 0; i < sizeof(illegal) / sizeof(illegal[0]); i++) {
        start("m4", false);
        cpu->sys[SR_ELR_EL1] = 0x5000;
        cpu->sys[SR_SPSR_EL1] = illegal[i] | NZCV_Z;
        EXPECT_EQ(helper_eret(cpu, NULL, 0, 0, 0), IR_GO);
        EXPECT_EQ(cpu->pc, 0x5000);
        EXPECT_EQ(cpu_get_cpsr(cpu), NZCV_Z | PSTATE_IL | PSTATE_EL(1) | PSTATE_SP);
        EXPECT((cpu->mode_key & MODE_IL) != 0);
        EXPECT_EQ(exc_before_block(cpu, NULL), IR_GO);
        EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x3a000000);
        EXPECT((cpu->sys[SR_SPSR_EL1] & PSTATE_IL) != 0);
        EXPECT((cpu->pstate & PSTATE_IL) == 0);
    }
    at_el(0);
    EXPECT_EQ(helper_eret(cpu, NULL, 0, 0, 0), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1] >> 26, EC_UNKNOWN);
}

static void before_block(void)
{
    struct ir_block *const block = calloc(1, sizeof(*block));

    start("m4", false);
    cpu->pc = 0x1002;
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x8a000000);
    EXPECT_EQ(cpu->sys[SR_FAR_EL1], 0x1002);

    /* BTI c: BTYPE 1 and 2 may land there. */
    block->bti_ok = 1 << 1 | 1 << 2;
    cpu->btype = 3;
    EXPECT_EQ(exc_before_block(cpu, block), IR_NEXT); /* not guarded */
    EXPECT_EQ(cpu->btype, 0);
    block->guarded = true;
    cpu->btype = 2;
    EXPECT_EQ(exc_before_block(cpu, block), IR_NEXT);
    cpu->btype = 3;
    EXPECT_EQ(exc_before_block(cpu, block), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x36000003);
    EXPECT_EQ(cpu->sys[SR_SPSR_EL1] >> 10 & 3, 3);
    /* PACIASP: BTYPE 3 as SCTLR_EL1.BT1 has it. */
    block->bti_ok = 1 << 1 | 1 << 2 | 0x80;
    cpu->btype = 3;
    EXPECT_EQ(exc_before_block(cpu, block), IR_NEXT);
    cpu->sys[SR_SCTLR_EL1] |= SCTLR_BT1;
    cpu->btype = 3;
    EXPECT_EQ(exc_before_block(cpu, block), IR_GO);
    free(block);
}

static void el2_routing(void)
{
    start("m4", true);
    cpu->sys[SR_VBAR_EL2] = 0x90000;
    cpu->sys[SR_HCR_EL2] |= HCR_TGE;
    at_el(0);
    cpu->pc = 0x1000;
    helper_svc(cpu, NULL, 0, 0, 0);
    EXPECT_EQ(cpu_el(cpu), 2);
    EXPECT_EQ(cpu->pc, 0x90400);
    cpu->sys[SR_SPSR_EL2] = PSTATE_EL(1); /* illegal while TGE is set */
    helper_eret(cpu, NULL, 0, 0, 0);
    EXPECT((cpu->pstate & PSTATE_IL) != 0);

    /* A physical IRQ routed to EL2 ignores EL1's mask; at EL2 its own mask counts. */
    start("m4", true);
    cpu->sys[SR_HCR_EL2] |= HCR_IMO;
    cpu->sys[SR_VBAR_EL2] = 0x90000;
    cpu_set_cpsr(cpu, PSTATE_EL(1) | PSTATE_SP | DAIF);
    cpu->irq_pending = true;
    EXPECT(exc_take_pending_interrupt(cpu));
    EXPECT_EQ(cpu->pc, 0x90480);
    EXPECT(!exc_take_pending_interrupt(cpu));
    /* Without IMO it is EL1's and waits while EL2 runs. */
    cpu->sys[SR_HCR_EL2] &= ~HCR_IMO;
    at_el(2);
    EXPECT(!exc_take_pending_interrupt(cpu));
    cpu->irq_pending = false;
    /* A virtual one goes to EL1. */
    cpu->sys[SR_HCR_EL2] |= HCR_IMO | HCR_VI;
    EXPECT(!exc_take_pending_interrupt(cpu));
    at_el(1);
    EXPECT_EQ(exc_isr(cpu), 1 << 7);
    EXPECT(exc_take_pending_interrupt(cpu));
    EXPECT_EQ(cpu_el(cpu), 1);
    EXPECT_EQ(cpu->pc, 0x280);
    /* FP: CPACR opens it, CPTR_EL2.TFP closes it. */
    cpu->sys[SR_CPACR_EL1] = 3 << 20;
    cpu_update_mode(cpu);
    EXPECT_EQ(MODE_FP_TRAP(cpu->mode_key), 0);
    cpu->sys[SR_CPTR_EL2] |= 1 << 10;
    cpu_update_mode(cpu);
    EXPECT_EQ(MODE_FP_TRAP(cpu->mode_key), 2);
    helper_fp_trap(cpu, NULL, 0, 0, 2);
    EXPECT_EQ(cpu->sys[SR_ESR_EL2], 0x1fe00000);
}

void test_exceptions(void)
{
    reset_state();
    svc_and_back();
    vectors();
    hypercalls();
    aborts();
    illegal_return();
    before_block();
    el2_routing();
}

/* --- Debug ------------------------------------------------------------------------------------- */

static void breakpoint_instruction(void)
{
    start("m4", false);
    cpu->pc = 0x4004;
    EXPECT_EQ(helper_brk(cpu, NULL, 0, 0, 0), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0xf2000000);
    EXPECT_EQ(cpu->sys[SR_ELR_EL1], 0x4004);
    cpu->trap_debug_exceptions = true;
    cpu->pc = 0x4004;
    EXPECT_EQ(helper_brk(cpu, NULL, 0, 0, 0x12), IR_LEAVE);
    EXPECT_EQ(cpu->exit.syndrome, 0xf2000012);
    EXPECT_EQ(cpu->pc, 0x4004);
}

static void software_step(void)
{
    /* As a debugger of the framework steps: MDSCR_EL1.SS and PSTATE.SS set before the run. */
    start("m4", false);
    cpu->trap_debug_exceptions = true;
    cpu->sys[SR_MDSCR_EL1] = MDSCR_SS;
    cpu_set_cpsr(cpu, 0x3c5 | PSTATE_SS);
    EXPECT((cpu->mode_key & MODE_STEP) != 0);
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_NEXT); /* one instruction */
    cpu->pc += 4;
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_LEAVE);
    EXPECT_EQ(cpu->exit.syndrome, 0xcb000022); /* EC 0x32, ISV */
    EXPECT_EQ(cpu->pc, 4);
    EXPECT_EQ(cpu->pstate & PSTATE_SS, 0);

    /* An abort of the stepped instruction: its SPSR says that it has still to be stepped. */
    start("m4", false);
    cpu->sys[SR_MDSCR_EL1] = MDSCR_SS | MDSCR_KDE;
    cpu_set_cpsr(cpu, PSTATE_SS); /* EL0 */
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_NEXT);
    cpu->fault = (struct fault){.type = FAULT_TRANSLATION, .stage = 1};
    exc_abort(cpu, 0);
    EXPECT_EQ(cpu->sys[SR_SPSR_EL1], PSTATE_SS);
    EXPECT((cpu->mode_key & MODE_STEP) == 0); /* PSTATE.D is set now */
    /* And goes on with it after ERET. */
    helper_eret(cpu, NULL, 0, 0, 0);
    EXPECT((cpu->pstate & PSTATE_SS) != 0);
    /* SVC completes it. */
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_NEXT);
    helper_svc(cpu, NULL, 0, 0, 0);
    EXPECT_EQ(cpu->sys[SR_SPSR_EL1], 0);
    helper_eret(cpu, NULL, 0, 0, 0);
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_GO); /* active-pending */
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0xca000022);   /* ISV = 0: nothing was stepped */

    /* MMIO of a stepped instruction exits as ever, with the step still to do. */
    start("m4", false);
    cpu->trap_debug_exceptions = true;
    cpu->sys[SR_MDSCR_EL1] = MDSCR_SS;
    cpu_set_cpsr(cpu, 0x3c5 | PSTATE_SS);
    exc_before_block(cpu, NULL);
    cpu->fault = (struct fault){.type = FAULT_TRANSLATION, .level = 3, .stage = 3};
    EXPECT_EQ(exc_abort(cpu, 0), IR_LEAVE);
    EXPECT_EQ(cpu->exit.syndrome >> 26, EC_DABT_LOWER);
    EXPECT((cpu_get_cpsr(cpu) & PSTATE_SS) != 0);
}

static void hardware_breakpoints(void)
{
    start("m4", false);
    cpu->sys[SR_DBGBVR0_EL1 + 5] = 0xffff800000001000;
    cpu->sys[SR_DBGBCR0_EL1 + 5] = 0x1e5 | 1 << 1; /* E, PMC = 0b11 (EL1 and EL0), BAS */
    cpu->sys[SR_MDSCR_EL1] = MDSCR_MDE;
    cpu_update_mode(cpu);
    EXPECT((cpu->mode_key & MODE_BREAKPOINTS) == 0); /* EL1 needs KDE and D = 0 */
    cpu->trap_debug_exceptions = true;
    cpu_update_mode(cpu);
    EXPECT((cpu->mode_key & MODE_BREAKPOINTS) != 0);
    cpu->pc = 0xffff800000001004;
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_NEXT);
    cpu->pc = 0xffff800000001000;
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_LEAVE);
    EXPECT_EQ(cpu->exit.syndrome, 0xc2000022);
    EXPECT_EQ(cpu->pc, 0xffff800000001000);
    /* For EL0 only. */
    cpu->sys[SR_DBGBCR0_EL1 + 5] = 0x1e5;
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_NEXT);
    at_el(0);
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_LEAVE);
    /* Linked to a Context ID comparator. */
    cpu->sys[SR_DBGBCR0_EL1 + 5] = 0x1e5 | 4 << 16 | 1 << 20;
    cpu->sys[SR_DBGBVR0_EL1 + 4] = 77;
    cpu->sys[SR_DBGBCR0_EL1 + 4] = 1 | 3 << 20;
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_NEXT);
    cpu->sys[SR_CONTEXTIDR_EL1] = 77;
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_LEAVE);
    /* There is no seventh. */
    cpu->sys[SR_DBGBCR0_EL1 + 5] = 0;
    cpu->sys[SR_DBGBVR0_EL1 + 6] = cpu->pc;
    cpu->sys[SR_DBGBCR0_EL1 + 6] = 0x1e7;
    EXPECT_EQ(exc_before_block(cpu, NULL), IR_NEXT);
}

void test_debug(void)
{
    breakpoint_instruction();
    software_step();
    hardware_breakpoints();
}
