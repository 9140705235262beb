/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loads and stores of every form, twice: on a page of memory, as the engine does them, and on the same page unmapped, as
 * <applevisor/mmio.h> does them for a device with the same contents. All registers, the page and the PC must come out the same.
 *
 * The guest has its MMU on, so that unaligned accesses are allowed and the instruction is fetched through the guest's tables: its
 * code runs at an alias 1 GiB above the physical addresses.
 */
#include <stdlib.h>

#include <applevisor/mmio.h>

#include "check.h"

#define RAM_BASE   0x400000ull
#define RAM_SIZE   0x400000ull
#define TABLE_IPA  RAM_BASE
#define VECTOR_IPA (RAM_BASE + 0x4000)
#define CODE_IPA   (RAM_BASE + 0x8000)
#define DATA_IPA   (RAM_BASE + RAM_SIZE / 2) /* the page that comes and goes */
#define ALIAS      0x40000000ull
#define WINDOW     0x1000u /* the part of the data page that is used: one page of the decoder */
#define HVC(imm)   (0xd4000002u | (uint32_t)(imm) << 5)

struct state {
    uint64_t x[31], sp, pc;
    uint8_t v[32][16];
    uint8_t window[WINDOW];
    bool executed;
};

static hv_vcpu_t vcpu;
static hv_vcpu_exit_t *exit_info;
static uint8_t *ram;
static uint8_t device[WINDOW];

static uint64_t seed;

static uint64_t random64(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    const uint64_t high = seed >> 32;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return high << 32 | seed >> 32;
}

static void *at(uint64_t ipa)
{
    return ram + (ipa - RAM_BASE);
}

static void put_word(uint64_t ipa, uint32_t word)
{
    memcpy(at(ipa), &word, sizeof(word));
}

static bool read_guest(void *context, uint64_t ipa, void *buffer, size_t size)
{
    (void)context;
    if (ipa < RAM_BASE || ipa - RAM_BASE > RAM_SIZE - size) {
        return false;
    }
    memcpy(buffer, at(ipa), size);
    return true;
}

static const av_guest_memory memory = {.read = read_guest};

/* --- The machine -------------------------------------------------------------------------------------------------------------- */

static void map_data(bool mapped)
{
    if (mapped) {
        OK(hv_vm_map(at(DATA_IPA), DATA_IPA, PAGE, RWX));
    } else {
        OK(hv_vm_unmap(DATA_IPA, PAGE));
    }
}

static void start(void)
{
    void *p = NULL;

    OK(hv_vm_create(NULL));
    OK(hv_vm_allocate(&p, RAM_SIZE, HV_ALLOCATE_DEFAULT));
    ram = p;
    OK(hv_vm_map(ram, RAM_BASE, RAM_SIZE, RWX));
    OK(hv_vcpu_create(&vcpu, &exit_info, NULL));
    /* Two blocks of 1 GiB, both of physical address 0: valid, inner shareable, access flag, attribute 0. */
    const uint64_t blocks[2] = {0x701, 0x701};
    memcpy(at(TABLE_IPA), blocks, sizeof(blocks));
    for (unsigned vector = 0; vector < 16; vector++) {
        put_word(VECTOR_IPA + vector * 0x80, HVC(2));
    }
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TTBR0_EL1, TABLE_IPA));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TCR_EL1, 25 | 1 << 8 | 1 << 10 | 3 << 12));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_MAIR_EL1, 0xff));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_VBAR_EL1, VECTOR_IPA));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CPACR_EL1, 3 << 20));
    /* MMU, caches, and the DA and DB keys on. */
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1, 0x30d00800 | 0x1005 | 1 << 27 | 1 << 13));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_APDAKEYLO_EL1, 0x1234567));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_APDBKEYHI_EL1, 0x89abcde));
}

static void stop(void)
{
    OK(hv_vcpu_destroy(vcpu));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(ram, RAM_SIZE));
}

/* --- Cases -------------------------------------------------------------------------------------------------------------------- */

static const uint32_t words[] = {
#define FORM(text, word, line) word,
#include "insn_forms.inc"
#undef FORM
};

struct test_case {
    av_insn insn;
    uint64_t pc;     /* virtual */
    uint64_t target; /* virtual: of the first byte */
    uint64_t seed;   /* of the registers */
};

/* A random word, or a known one with other registers and a few bits changed. */
static uint32_t random_word(void)
{
    const uint64_t r = random64();

    if ((r & 1) != 0) {
        return ((uint32_t)(r >> 32) | 1u << 27) & ~(1u << 25);
    }
    uint32_t word = words[(r >> 1) % (sizeof(words) / sizeof(words[0]))];
    word = (word & ~0x3ffu) | (uint32_t)(r >> 20 & 0x3ff);
    for (unsigned flips = (unsigned)(r >> 32 & 3), i = 0; i < flips; i++) {
        word ^= 1u << (10 + (r >> (36 + 4 * i)) % 13);
    }
    return word;
}

static bool is_described(const av_insn *insn)
{
    return insn->kind == AV_INSN_LOAD || insn->kind == AV_INSN_STORE;
}

static bool make_case(struct test_case *c)
{
    OK(av_insn_decode(random_word(), &c->insn));
    if (!is_described(&c->insn) || (c->insn.index == c->insn.base && c->insn.index < 32)) {
        return false;
    }
    c->seed = random64();
    c->target = ALIAS + DATA_IPA + random64() % (WINDOW - 64);
    c->pc = ALIAS + CODE_IPA;
    if (c->insn.addressing == AV_INSN_LITERAL) {
        c->target &= ~3ull;
        c->pc = c->target - (uint64_t)c->insn.offset;
        const uint64_t page = c->pc & ~(uint64_t)(PAGE - 1);
        return page != ALIAS + DATA_IPA && page > ALIAS + VECTOR_IPA &&
               c->pc < ALIAS + RAM_BASE + RAM_SIZE - 8;
    }
    /* PACDZA and PACDZB sign Xn, not SP. */
    return c->insn.addressing != AV_INSN_AUTHENTICATED || c->insn.base != 31;
}

/* The base is what makes the address the target. */
static void set_base(const struct test_case *c, struct state *s)
{
    const av_insn *const insn = &c->insn;
    uint64_t add = insn->addressing == AV_INSN_POST_INDEX ? 0 : (uint64_t)insn->offset;

    if (insn->base == AV_INSN_NO_REGISTER) {
        return;
    }
    if (insn->index != AV_INSN_NO_REGISTER && insn->addressing != AV_INSN_POST_INDEX) {
        const uint64_t index = insn->index == 31 ? 0 : s->x[insn->index];
        add = (insn->index_extend == 2   ? (uint32_t)index
               : insn->index_extend == 6 ? (uint64_t)(int64_t)(int32_t)index
                                         : index)
              << insn->index_shift;
    }
    if (insn->base == 31) {
        s->sp = c->target - add;
    } else {
        s->x[insn->base] = c->target - add;
    }
}

static void set_state(const struct test_case *c)
{
    struct state s = {.pc = c->pc};
    const av_insn *const insn = &c->insn;
    uint64_t pc = c->pc & (ALIAS - 1);

    seed = c->seed;
    for (unsigned i = 0; i < 31; i++) {
        s.x[i] = random64();
    }
    for (unsigned i = 0; i < 32; i++) {
        for (unsigned j = 0; j < 16; j++) {
            s.v[i][j] = (uint8_t)random64();
        }
    }
    s.sp = ALIAS + DATA_IPA;
    set_base(c, &s);
    for (unsigned i = 0; i < 31; i++) {
        OK(hv_vcpu_set_reg(vcpu, (hv_reg_t)(HV_REG_X0 + i), s.x[i]));
    }
    for (unsigned i = 0; i < 32; i++) {
        hv_simd_fp_uchar16_t v;
        memcpy(&v, s.v[i], sizeof(v));
        OK(hv_vcpu_set_simd_fp_reg(vcpu, (hv_simd_fp_reg_t)(HV_SIMD_FP_REG_Q0 + i), v));
    }
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SP_EL1, s.sp));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c5));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_PC, s.pc));
    if (insn->addressing == AV_INSN_AUTHENTICATED) {
        const bool key_b = strcmp(insn->name, "LDRAB") == 0;
        put_word(pc, (key_b ? 0xdac12fe0u : 0xdac12be0u) | insn->base);
        pc += 4;
    }
    put_word(pc, insn->word);
    put_word(pc + 4, HVC(1));
}

static void get_state(struct state *s)
{
    for (unsigned i = 0; i < 31; i++) {
        OK(hv_vcpu_get_reg(vcpu, (hv_reg_t)(HV_REG_X0 + i), &s->x[i]));
    }
    for (unsigned i = 0; i < 32; i++) {
        hv_simd_fp_uchar16_t v;
        OK(hv_vcpu_get_simd_fp_reg(vcpu, (hv_simd_fp_reg_t)(HV_SIMD_FP_REG_Q0 + i), &v));
        memcpy(s->v[i], &v, sizeof(v));
    }
    OK(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_SP_EL1, &s->sp));
    OK(hv_vcpu_get_reg(vcpu, HV_REG_PC, &s->pc));
}

static void fill(uint8_t *window, uint64_t from)
{
    seed = from;
    for (unsigned i = 0; i < WINDOW; i += 8) {
        const uint64_t value = random64();
        memcpy(window + i, &value, 8);
    }
}

/* --- The two runs ------------------------------------------------------------------------------------------------------------- */

static av_exit_event run(void)
{
    av_exit_event event;

    OK(hv_vcpu_run(vcpu));
    OK(av_exit_decode(exit_info, &event));
    return event;
}

static bool is_hvc(const av_exit_event *event, unsigned imm)
{
    return event->kind == AV_EXIT_HVC && event->u.call.immediate == imm;
}

static void run_on_memory(const struct test_case *c, struct state *s)
{
    fill(at(DATA_IPA), c->seed);
    set_state(c);
    const av_exit_event event = run();
    s->executed = is_hvc(&event, 1);
    /* Anything else is the guest's vector: an encoding that the profile does not have, or SP misaligned. */
    EXPECT(s->executed || is_hvc(&event, 2));
    get_state(s);
    memcpy(s->window, at(DATA_IPA), WINDOW);
}

static bool access_device(void *context, bool is_write, av_mmio_access *access)
{
    const uint64_t offset = access->ipa - DATA_IPA;
    unsigned *const n = context;

    (*n)++;
    if (access->ipa < DATA_IPA || offset > WINDOW - access->size_bytes) {
        return false;
    }
    if (is_write) {
        memcpy(device + offset, &access->value, access->size_bytes);
    } else {
        access->value = 0xa5a5a5a5a5a5a5a5; /* the bytes beyond the size do not count */
        memcpy(&access->value, device + offset, access->size_bytes);
    }
    return true;
}

/* What the syndrome says, where it says anything, is what the decoder says. */
static void compare_with_syndrome(const av_insn *insn, const av_abort *abort)
{
    if (!abort->has_access) {
        return;
    }
    EXPECT(!insn->is_vector && !insn->writeback && insn->n_regs == 1);
    EXPECT_EQ(abort->access.size_bytes, insn->size_bytes);
    EXPECT_EQ(abort->access.reg, insn->regs[0]);
    EXPECT_EQ(abort->access.is_write, insn->kind == AV_INSN_STORE);
    EXPECT_EQ(abort->access.sign_extend, insn->sign_extend);
    EXPECT_EQ(abort->access.is_64_bit, insn->is_64_bit);
    EXPECT_EQ(abort->access.acquire_release, insn->is_ordered);
}

static unsigned with_syndrome, decoded;

static void run_on_device(const struct test_case *c, struct state *s)
{
    unsigned n = 0;

    fill(device, c->seed);
    set_state(c);
    av_exit_event event = run();
    if (event.kind == AV_EXIT_DATA_ABORT) {
        av_mmio mmio;
        compare_with_syndrome(&c->insn, &event.u.abort);
        EXPECT_EQ(event.u.abort.fault, AV_FAULT_TRANSLATION);
        /* The accesses that the decoder lists are those that are made. */
        OK(av_mmio_begin(vcpu, &event, &memory, &mmio));
        OK(av_mmio_run(vcpu, &event, &memory, access_device, &n));
        EXPECT_EQ(n, mmio.n_accesses);
        with_syndrome += event.u.abort.has_access;
        decoded += !event.u.abort.has_access;
        event = run();
    }
    s->executed = is_hvc(&event, 1) && n != 0;
    get_state(s);
    memcpy(s->window, device, WINDOW);
}

static bool same(const struct test_case *c, const struct state *want, const struct state *got)
{
    const int before = failures;

    for (unsigned i = 0; i < 31; i++) {
        EXPECT_EQ(got->x[i], want->x[i]);
    }
    for (unsigned i = 0; i < 32; i++) {
        EXPECT_EQ(memcmp(got->v[i], want->v[i], 16), 0);
    }
    EXPECT_EQ(got->sp, want->sp);
    EXPECT_EQ(got->pc, want->pc);
    EXPECT_EQ(memcmp(got->window, want->window, WINDOW), 0);
    if (failures != before) {
        printf("# %s 0x%08x at 0x%llx\n", c->insn.name, c->insn.word,
               (unsigned long long)c->target);
    }
    return failures == before;
}

/* make test looks at a few thousand; AV_MMIO_CASES=100000 at more. */
static unsigned n_cases(void)
{
    const char *const text = getenv("AV_MMIO_CASES");

    return text != NULL ? (unsigned)strtoul(text, NULL, 0) : 4000;
}

TEST(engine_and_emulation_agree)
{
    const unsigned n = n_cases();
    struct test_case *const cases = calloc(n, sizeof(*cases));
    struct state *const states = calloc(n, sizeof(*states)), *const got = calloc(1, sizeof(*got));
    unsigned executed = 0;
    bool good = cases != NULL && states != NULL && got != NULL;

    EXPECT(good);
    start();
    for (unsigned i = 0, from = 1; i < n; from++) {
        seed = from * 0x9e3779b97f4a7c15;
        i += make_case(&cases[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        run_on_memory(&cases[i], &states[i]);
        executed += states[i].executed;
    }
    map_data(false);
    for (unsigned i = 0; i < n && good; i++) {
        if (states[i].executed) {
            run_on_device(&cases[i], got);
            EXPECT(got->executed);
            good = same(&cases[i], &states[i], got);
        }
    }
    map_data(true);
    stop();
    printf("# %u cases, %u executed, %u described by the syndrome, %u decoded\n", n, executed,
           with_syndrome, decoded);
    EXPECT(executed > n / 2);
    EXPECT(with_syndrome > n / 20);
    EXPECT(decoded > n / 5);
    free(cases);
    free(states);
    free(got);
}

/* --- What is refused ---------------------------------------------------------------------------------------------------------- */

/* Runs one instruction with X1 = address and gives what av_mmio_begin() says; nothing may have changed. */
static av_error begin(uint32_t word, uint64_t address, const av_guest_memory *guest, av_mmio *mmio)
{
    struct state before, after;

    put_word(CODE_IPA, word);
    put_word(CODE_IPA + 4, HVC(1));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_X1, address));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c5));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_PC, ALIAS + CODE_IPA));
    const av_exit_event event = run();
    EXPECT_EQ(event.kind, AV_EXIT_DATA_ABORT);
    get_state(&before);
    const av_error ret = av_mmio_begin(vcpu, &event, guest, mmio);
    get_state(&after);
    EXPECT_EQ(memcmp(before.x, after.x, sizeof(before.x)), 0);
    EXPECT_EQ(memcmp(before.v, after.v, sizeof(before.v)), 0);
    EXPECT_EQ(before.pc, after.pc);
    EXPECT_EQ(before.sp, after.sp);
    return ret;
}

TEST(refused_instructions_are_named)
{
    static const struct {
        uint32_t word;
        const char *name;
    } refused[] = {
        {0xc85f7c20, "LDXR"},  {0xc85ffc20, "LDAXR"},  {0x885ffc20, "LDAXR"},
        {0xb8200020, "LDADD"}, {0xf8208020, "SWP"},    {0xc8a07c20, "CAS"},
        {0x48207c20, "CASP"},  {0xb8205020, "LDSMIN"}, {0xd50b7421, "DC ZVA"},
        {0xc87f0420, "LDXP"},
    };
    av_mmio mmio = {.n_accesses = 77};

    start();
    map_data(false);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        EXPECT_EQ(begin(refused[i].word, DATA_IPA, &memory, &mmio), AV_ERROR_UNSUPPORTED);
        if (strstr(av_error_message(), refused[i].name) == NULL) {
            printf("# 0x%08x: %s\n", refused[i].word, av_error_message());
            failures++;
        }
        EXPECT_EQ(mmio.n_accesses, 77); /* written on success only */
    }
    map_data(true);
    stop();
}

TEST(pages_and_memory)
{
    const uint32_t stp = 0xa9000820 /* stp x0, x2, [x1] */, str = 0xf9000020 /* str x0, [x1] */;
    av_mmio mmio = {.n_accesses = 77};

    start();
    map_data(false);
    EXPECT_EQ(begin(stp, DATA_IPA + 0xff0, &memory, &mmio), AV_OK);
    EXPECT_EQ(mmio.n_accesses, 2);
    EXPECT_EQ(mmio.accesses[0].ipa, DATA_IPA + 0xff0);
    EXPECT_EQ(mmio.accesses[1].ipa, DATA_IPA + 0xff8);
    EXPECT(mmio.is_write);
    /* Two pages, the first in memory and not, and the last byte of the second. */
    mmio.n_accesses = 77;
    EXPECT_EQ(begin(stp, DATA_IPA + 0xff8, &memory, &mmio), AV_ERROR_UNSUPPORTED);
    EXPECT_EQ(begin(stp, DATA_IPA - 8, &memory, &mmio), AV_ERROR_UNSUPPORTED);
    EXPECT_EQ(begin(stp, DATA_IPA - 15, &memory, &mmio), AV_ERROR_UNSUPPORTED);
    EXPECT_EQ(begin(stp, DATA_IPA + PAGE - 8, &memory, &mmio), AV_ERROR_UNSUPPORTED);
    EXPECT_EQ(begin(stp, DATA_IPA, NULL, &mmio), AV_ERROR_UNSUPPORTED);
    EXPECT_EQ(mmio.n_accesses, 77);
    EXPECT_EQ(begin(str, DATA_IPA, NULL, &mmio), AV_OK); /* the syndrome is enough */
    EXPECT_EQ(mmio.n_accesses, 1);
    map_data(true);
    stop();
}

/* Another vCPU has put something else there since the fault. */
TEST(changed_instructions_are_noticed)
{
    static const uint32_t others[] = {
        0xd503201f, /* nop */
        0xa9400820, /* ldp x0, x2, [x1]: a read, and the fault was a write */
        0xa9010820, /* stp x0, x2, [x1, #16]: elsewhere */
        0xa9000860, /* stp x0, x2, [x3] */
        0xa8bf0c41, /* stp x1, x3, [x2], #-16 */
        0xf9800020, /* prfm */
    };
    av_mmio mmio;

    start();
    map_data(false);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        put_word(CODE_IPA, 0xa9000820); /* stp x0, x2, [x1] */
        OK(hv_vcpu_set_reg(vcpu, HV_REG_X1, DATA_IPA));
        OK(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c5));
        OK(hv_vcpu_set_reg(vcpu, HV_REG_PC, ALIAS + CODE_IPA));
        const av_exit_event event = run();
        put_word(CODE_IPA, others[i]);
        EXPECT_EQ(av_mmio_begin(vcpu, &event, &memory, &mmio), AV_ERROR_ILLEGAL_GUEST_STATE);
    }
    map_data(true);
    stop();
}

static bool nothing_there(void *context, bool is_write, av_mmio_access *access)
{
    (void)context, (void)is_write;
    return access->ipa < DATA_IPA + 8;
}

TEST(a_hole_in_a_device_is_an_external_abort)
{
    av_mmio mmio;
    uint64_t pc, esr, far, elr, x0;

    start();
    map_data(false);
    OK(hv_vcpu_set_reg(vcpu, HV_REG_X0, 0x5555));
    /* ldp x0, x2, [x1]: the first register would have its value, but neither is changed. */
    EXPECT_EQ(begin(0xa9400820, DATA_IPA, &memory, &mmio), AV_OK);
    av_exit_event event;
    OK(av_exit_decode(exit_info, &event));
    EXPECT_EQ(av_mmio_run(vcpu, &event, &memory, nothing_there, NULL), AV_ERROR_NOT_MAPPED);
    OK(hv_vcpu_get_reg(vcpu, HV_REG_X0, &x0));
    EXPECT_EQ(x0, 0x5555);
    OK(av_exit_inject_external_abort(vcpu, &event));
    OK(hv_vcpu_get_reg(vcpu, HV_REG_PC, &pc));
    EXPECT_EQ(pc, VECTOR_IPA + 0x200);
    event = run();
    EXPECT(is_hvc(&event, 2));
    OK(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_ESR_EL1, &esr));
    OK(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_FAR_EL1, &far));
    OK(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_ELR_EL1, &elr));
    EXPECT_EQ(esr, 0x96000010);
    EXPECT_EQ(far, DATA_IPA);
    EXPECT_EQ(elr, ALIAS + CODE_IPA);
    map_data(true);
    stop();
}

TEST(arguments)
{
    av_exit_event event;
    av_mmio mmio;

    start();
    EXPECT_EQ(av_exit_from_syndrome(0x93850047, &event), AV_OK);
    EXPECT_EQ(av_mmio_begin(vcpu, NULL, NULL, &mmio), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_mmio_begin(vcpu, &event, NULL, NULL), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_mmio_complete(vcpu, NULL), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_mmio_run(vcpu, &event, NULL, NULL, NULL), AV_ERROR_NULL_ARGUMENT);
    static const uint32_t wrong[] = {0x5a000000, 0x82000007, 0x92000021,
                                     0x92000087, 0x92000010, 0x92000035};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT_EQ(av_exit_from_syndrome(wrong[i], &event), AV_OK);
        EXPECT_EQ(av_mmio_begin(vcpu, &event, &memory, &mmio), AV_ERROR_BAD_ARGUMENT);
    }
    /* Cache maintenance has nothing to do. */
    EXPECT_EQ(av_exit_from_syndrome(0x92000147, &event), AV_OK);
    EXPECT_EQ(av_mmio_begin(vcpu, &event, NULL, &mmio), AV_OK);
    EXPECT_EQ(mmio.n_accesses, 0);
    uint64_t pc;
    OK(hv_vcpu_set_reg(vcpu, HV_REG_PC, 0x1000));
    OK(av_mmio_complete(vcpu, &mmio));
    OK(hv_vcpu_get_reg(vcpu, HV_REG_PC, &pc));
    EXPECT_EQ(pc, 0x1004);
    stop();
}

MAIN(T(engine_and_emulation_agree), T(refused_instructions_are_named), T(pages_and_memory),
     T(changed_instructions_are_noticed), T(a_hole_in_a_device_is_an_external_abort), T(arguments))
