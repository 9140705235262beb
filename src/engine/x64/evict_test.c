/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Blocks that leave the code cache, which has room for a few hundred: what led to them must not any more, and their memory is not
 * used again before every vCPU has left them. A way that was forgotten ends in a trap, or in another block's code.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "engine/a64/block.h"
#include "engine/x64/fixture.h"
#include "engine/x64/x64.h"
#include "gic/gic.h"

static void put_code(uint8_t *ram, uint32_t at, const uint32_t *code, size_t size)
{
    memcpy(ram + at, code, size);
}

/* More code than the memory for it holds. It goes down, because blocks go on behind a jump forward. */
#define N_SMALL 20000u

static void load_many(uint8_t *ram)
{
    for (uint32_t i = 0; i < N_SMALL; i++) {
        *word(ram, 0x10000 + 8 * i) = 0x91000484;     /* add x4, x4, #1 */
        *word(ram, 0x10000 + 8 * i + 4) = 0x17fffffd; /* b to the one before */
    }
    *word(ram, 0x10000 - 8) = HVC(1);
}

static void set_many(struct a64_cpu *cpu)
{
    cpu->pc = 0x10000 + 8 * (N_SMALL - 1);
}

static void test_full(void)
{
    const struct program p = {.load = load_many, .set = set_many, .code_bytes = 256 << 10};
    const struct outcome got = run_both(&p, "full");

    EXPECT(got.x[4] == N_SMALL, "%llu", (unsigned long long)got.x[4]);
    EXPECT(number_before(" bytes of code") > 2 * p.code_bytes, "%s", text);
    EXPECT(number_before(" chunks, ") > 2 * X64_BLOCK_CHUNKS, "%s", text);
}

/* A VM with so little room for code that what `works` runs has all of it used again several times, and another vCPU. */
struct full_vm {
    uint8_t *ram;
    struct vm *vm;
    struct vcpu *other, *works;
};

static struct full_vm make_full_vm(bool interpreter, const struct gic_config *gic,
                                   void (*load)(uint8_t *ram), unsigned n_windows)
{
    const struct vm_config config = {
        .ipa_bits = 40,
        .granule_log2 = 12,
        .interpreter = interpreter,
        .eager = true,
        .code_bytes = 256 << 10,
        .profile = vm_profile_by_name("max"),
        .macos = 260000,
    };
    struct full_vm f = {
        .ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};

    if (f.ram == MAP_FAILED || vm_create(&config, &f.vm) != VM_OK ||
        (gic != NULL && vm_gic_create(f.vm, gic) != VM_OK) ||
        vm_map(f.vm, f.ram, 0, RAM_SIZE, VM_READ | VM_WRITE | VM_EXEC) != VM_OK ||
        vm_vcpu_create(f.vm, &f.other) != VM_OK || vm_vcpu_create(f.vm, &f.works) != VM_OK) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    for (uint32_t at = 0; at < 0x800; at += 4) {
        *word(f.ram, VECTORS + at) = HVC(0x100 + at / 0x80);
    }
    for (unsigned i = 0; i < n_windows; i++) {
        if (vm_map(f.vm, f.ram, WINDOWS + (uint64_t)i * RAM_SIZE, RAM_SIZE,
                   VM_READ | VM_WRITE | VM_EXEC) != VM_OK) {
            fprintf(stderr, "out of memory\n");
            exit(1);
        }
    }
    load(f.ram);
    return f;
}

static void free_full_vm(struct full_vm *f)
{
    vm_vcpu_destroy(f->works);
    vm_vcpu_destroy(f->other);
    vm_destroy(f->vm);
    munmap(f->ram, RAM_SIZE);
}

/* A vCPU that waits in WFI is outside when another has all code freed, and must not come back into what has been freed. */
static void *run_in_thread(void *vcpu)
{
    vm_vcpu_run(vcpu);
    return NULL;
}

static void test_full_meanwhile(bool interpreter)
{
    const struct gic_config gic = {.gicd_base = 0x8000000, .gicr_base = 0x8100000};
    struct full_vm f = make_full_vm(interpreter, &gic, load_many, 0);
    struct vcpu *const waits = f.other, *const works = f.works;
    pthread_t thread;

    *word(f.ram, START) = 0xd503207f;     /* wfi */
    *word(f.ram, START + 4) = 0x91000421; /* add x1, x1, #1 */
    *word(f.ram, START + 8) = HVC(2);
    waits->cpu.pc = START;
    set_many(&works->cpu);
    if (pthread_create(&thread, NULL, run_in_thread, waits) != 0) {
        fprintf(stderr, "no thread\n");
        exit(1);
    }
    while (!atomic_load(&waits->parked)) {
        sched_yield();
    }
    vm_vcpu_run(works);
    EXPECT(works->cpu.x[4] == N_SMALL && (works->cpu.exit.syndrome & 0xffff) == 1, "%llu",
           (unsigned long long)works->cpu.x[4]);
    vm_vcpu_request(waits, CPU_REQUEST_IRQ);
    pthread_join(thread, NULL);
    EXPECT(waits->cpu.x[1] == 1 && (waits->cpu.exit.syndrome & 0xffff) == 2, "%llu",
           (unsigned long long)waits->cpu.x[1]);
    free_full_vm(&f);
}

/* The same for one that is between two runs, the second of which begins where the first did. */
static void test_full_between(void)
{
    struct full_vm f = make_full_vm(false, NULL, load_many, 0);
    struct vcpu *const again = f.other;

    *word(f.ram, START) = 0x91000421; /* add x1, x1, #1 */
    *word(f.ram, START + 4) = HVC(2);
    for (unsigned i = 0; i < 8; i++) {
        again->cpu.pc = START;
        vm_vcpu_run(again);
        EXPECT(again->cpu.x[1] == i + 1 && (again->cpu.exit.syndrome & 0xffff) == 2, "%u: %llu", i,
               (unsigned long long)again->cpu.x[1]);
        if (i % 4 == 3) {
            set_many(&f.works->cpu);
            vm_vcpu_run(f.works);
        }
    }
    free_full_vm(&f);
}

/* The same for one that is in a block all the time, which is asked to leave it. */
#define LOOP_COUNT 0x4000u /* what it has counted; then what ends it */

static void test_full_in_a_loop(void)
{
    static const uint32_t loop[] = {
        0x91000421, /* loop: add x1, x1, #1 */
        0xf9000081, /* str x1, [x4] */
        0xf9400062, /* ldr x2, [x3] */
        0xb4ffffa2, /* cbz x2, loop */
        HVC(2),
    };
    struct full_vm f = make_full_vm(false, NULL, load_many, 0);
    struct vcpu *const loops = f.other;
    uint64_t *const count = (uint64_t *)(void *)(f.ram + LOOP_COUNT);
    pthread_t thread;

    put_code(f.ram, START, loop, sizeof(loop));
    loops->cpu.pc = START;
    loops->cpu.x[4] = LOOP_COUNT;
    loops->cpu.x[3] = LOOP_COUNT + 8;
    if (pthread_create(&thread, NULL, run_in_thread, loops) != 0) {
        fprintf(stderr, "no thread\n");
        exit(1);
    }
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t before = __atomic_load_n(count, __ATOMIC_RELAXED);
        while (__atomic_load_n(count, __ATOMIC_RELAXED) == before) {
            sched_yield();
        }
        set_many(&f.works->cpu);
        vm_vcpu_run(f.works);
        EXPECT(f.works->cpu.x[4] == (i + 1) * N_SMALL, "%llu",
               (unsigned long long)f.works->cpu.x[4]);
    }
    __atomic_store_n(&count[1], 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    EXPECT(loops->cpu.x[1] == count[0] && (loops->cpu.exit.syndrome & 0xffff) == 2, "%llu",
           (unsigned long long)loops->cpu.x[1]);
    free_full_vm(&f);
}

/* One piece of code at more addresses than its copies have memory for. */
#define N_WINDOWS 3000u

static void load_moving(uint8_t *ram)
{
    static const uint32_t code[] = {
        0x91000484, /* add x4, x4, #1 */
        0x10000005, /* adr x5, . */
        0x8b0600a6, /* add x6, x5, x6 */
        0x8b020021, /* add x1, x1, x2 */
        0xeb03003f, /* cmp x1, x3 */
        0x54000041, /* b.ne the last one */
        0xd4000001, /* svc #0 */
        0xd61f0020, /* br x1 */
    };

    memcpy(ram + START, code, sizeof(code));
}

static void set_moving(struct a64_cpu *cpu)
{
    cpu_set_pstate(cpu, PSTATE_EL(0));
    cpu->pc = WINDOWS + START;
    cpu->x[1] = cpu->pc;
    cpu->x[2] = RAM_SIZE;
    cpu->x[3] = cpu->pc + (uint64_t)N_WINDOWS * RAM_SIZE;
}

static void test_full_of_copies(void)
{
    const struct program p = {
        .load = load_moving, .set = set_moving, .code_bytes = 1 << 20, .n_windows = N_WINDOWS};
    const struct outcome got = run_both(&p, "full of copies");

    EXPECT(got.x[4] == N_WINDOWS, "%llu", (unsigned long long)got.x[4]);
    const unsigned long chunks = number_before(" chunks, ");
    EXPECT(chunks > X64_COPY_CHUNKS && number_before(" of them of copies") == chunks, "%s", text);
    /* What finds no room is made anew. */
    EXPECT(number_before(" copies for other addresses") >= N_WINDOWS - N_WINDOWS / 100, "%s", text);
}

/*
 * Seven blocks of a page go to each other in a circle, by linked jumps, and now and then through 32 others, of which half are new.
 * So the seven are of different age, and those that leave have links to the others and from them. In windows, all are copies of
 * each other, and leave before what they are copies of or with it.
 */
#define N_RING      7u
#define RING        0x8000u
#define RING_STEP   0x200u
#define OUT         0xf000u
#define FILLER      0x10000u
#define N_FILLERS   60000u
#define RING_ROUNDS 3000u

static void load_ring(uint8_t *ram)
{
    static const uint32_t ring[] = {
        0x91000484, /* add x4, x4, #1 */
        0x93c604c6, /* ror x6, x6, #1 */
        0x8a1000ce, /* and x14, x6, x16 */
        0x360000e6, /* tbz w6, #0, on */
        0x100000cb, /* adr x11, on */
        0x9269f16b, /* and x11, x11, #0xffffffffff8fffff */
        0x8b0e516b, /* add x11, x11, x14, lsl #20 */
        0xd280040c, /* mov x12, #32 */
        0xd61f0140, /* br x10 */
        0xd503201f, /* nop */
        0xd1000463, /* on: sub x3, x3, #1 */
        0xb4000043, /* cbz x3, end */
    };
    static const uint32_t out[] = {
        0x9269f14a, /* and x10, x10, #0xffffffffff8fffff */
        0x8b0e514a, /* add x10, x10, x14, lsl #20 */
        0xd103014a, /* sub x10, x10, #192 */
        0xd61f0160, /* br x11 */
    };
    const uint32_t n = sizeof(ring) / sizeof(ring[0]);

    for (uint32_t i = 0; i < N_RING; i++) {
        const uint32_t at = RING + RING_STEP * i,
                       to = RING + RING_STEP * ((i + N_RING - 1) % N_RING);
        put_code(ram, at, ring, sizeof(ring));
        *word(ram, at + 4 * n) = 0x14000000 | ((to - at - 4 * n) / 4 & 0x3ffffff); /* b to */
        *word(ram, at + 4 * n + 4) = 0xd4000001;                                   /* end: svc #0 */
    }
    put_code(ram, OUT, out, sizeof(out));
    for (uint32_t i = 0; i < N_FILLERS; i++) {
        const uint32_t at = FILLER + 12 * i;
        *word(ram, at) = 0xf100058c; /* subs x12, x12, #1 */
        *word(ram, at + 4) = 0x54000000 | ((OUT - at - 4) / 4 & 0x7ffff) << 5; /* b.eq out */
        *word(ram, at + 8) = 0x17fffffb; /* b to the one before */
    }
}

static void set_ring(struct a64_cpu *cpu)
{
    cpu->pc = RING;
    cpu->x[3] = RING_ROUNDS;
    cpu->x[6] = 0x9e3779b97f4a7c15;
    cpu->x[10] = FILLER + 12 * (N_FILLERS - 1);
    cpu->x[16] = 0;
}

static void set_ring_in_windows(struct a64_cpu *cpu)
{
    set_ring(cpu);
    cpu_set_pstate(cpu, PSTATE_EL(0));
    cpu->pc += WINDOWS;
    cpu->x[10] += WINDOWS;
    cpu->x[16] = 7;
}

static void test_ring(void)
{
    const struct program p = {.load = load_ring, .set = set_ring, .code_bytes = 256 << 10};
    struct outcome got = run_both(&p, "ring");

    EXPECT(got.x[4] == RING_ROUNDS && got.x[3] == 0, "%llu", (unsigned long long)got.x[4]);
    EXPECT(number_before(" chunks, ") > 2 * X64_BLOCK_CHUNKS && number_before(" links made") > 1000,
           "%s", text);

    const struct program windows = {
        .load = load_ring, .set = set_ring_in_windows, .code_bytes = 256 << 10, .n_windows = 8};
    got = run_both(&windows, "ring in windows");
    EXPECT(got.x[4] == RING_ROUNDS && got.x[3] == 0, "%llu", (unsigned long long)got.x[4]);
    EXPECT(number_before(" of them of copies") > 2 * X64_COPY_CHUNKS &&
               number_before(" chunks, ") > number_before(" of them of copies") + X64_BLOCK_CHUNKS,
           "%s", text);
}

/* Two vCPUs, of which one copies what the other has leave. */
static void test_ring_of_two(void)
{
    struct full_vm f = make_full_vm(false, NULL, load_ring, 8);
    struct vcpu *const both[] = {f.other, f.works};

    for (unsigned round = 0; round < 4; round++) {
        pthread_t threads[2];
        for (unsigned i = 0; i < 2; i++) {
            struct a64_cpu *const cpu = &both[i]->cpu;
            cpu->sys[SR_VBAR_EL1] = VECTORS;
            cpu->x[4] = 0;
            set_ring_in_windows(cpu);
            if (pthread_create(&threads[i], NULL, run_in_thread, both[i]) != 0) {
                fprintf(stderr, "no thread\n");
                exit(1);
            }
        }
        for (unsigned i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
            EXPECT(both[i]->cpu.x[4] == RING_ROUNDS && both[i]->cpu.x[3] == 0, "%llu",
                   (unsigned long long)both[i]->cpu.x[4]);
        }
    }
    free_full_vm(&f);
}

/*
 * Code that is changed while it leaves: each round calls a function, then comes to a new block, which may make a chunk leave; that
 * block changes the function and jumps to it by a jump that polls no requests. There are as many functions as blocks fit, more or
 * less: with twelve of the numbers, one behind the other, it is the function that has just left now and then.
 */
#define CHANGING        0x10000u
#define CHANGED         0x80000u
#define CHANGING_ROUNDS 1500u

static uint32_t n_changed;

static void load_changing(uint8_t *ram)
{
    static const uint32_t rounds[] = {
        0x1000004c, /* round: adr x12, here */
        0xd65f01a0, /* ret x13 */
        0x1000004c, /* here: adr x12, back */
        0xd61f0120, /* br x9 */
        0x91008129, /* back: add x9, x9, #32 */
        0x910041ad, /* add x13, x13, #16 */
        0xeb1501bf, /* cmp x13, x21 */
        0x9a8d028d, /* csel x13, x20, x13, eq */
        0xf1000463, /* subs x3, x3, #1 */
        0x54fffee1, /* b.ne round */
        HVC(1),
    };
    static const uint32_t changes[] = {
        0x91000718, /* add x24, x24, #1 */
        0x2a1a03e1, /* mov w1, w26 */
        0x33162f01, /* bfi w1, w24, #10, #12 */
        0xb90001a1, /* str w1, [x13] */
    };

    put_code(ram, START, rounds, sizeof(rounds));
    for (uint32_t i = 0; i < n_changed; i++) {
        *word(ram, CHANGED + 16 * i) = 0x910000a5;     /* add x5, x5, #0 */
        *word(ram, CHANGED + 16 * i + 4) = 0xd61f0180; /* br x12 */
    }
    for (uint32_t i = 0; i < CHANGING_ROUNDS; i++) {
        const uint32_t at = CHANGING + 32 * i, to = CHANGED + 16 * (i % n_changed);
        put_code(ram, at, changes, sizeof(changes));
        *word(ram, at + 16) = 0x14000000 | (to - at - 16) / 4; /* b to it */
    }
}

static void set_changing(struct a64_cpu *cpu)
{
    cpu->x[3] = CHANGING_ROUNDS;
    cpu->x[9] = CHANGING;
    cpu->x[13] = cpu->x[20] = CHANGED;
    cpu->x[21] = CHANGED + 16 * n_changed;
    cpu->x[26] = 0x910000a5;
}

static void test_changing(void)
{
    const struct program p = {.load = load_changing, .set = set_changing, .code_bytes = 256 << 10};

    for (n_changed = 100; n_changed <= 400; n_changed += 7) {
        struct outcome got;
        uint64_t sum = 0;
        for (uint64_t i = 0; i < CHANGING_ROUNDS; i++) {
            sum += i + 1 + (i >= n_changed ? i + 1 - n_changed : 0);
        }
        run(&p, false, &got);
        EXPECT(got.x[5] == sum && got.x[24] == CHANGING_ROUNDS, "%u functions: %llu, not %llu",
               n_changed, (unsigned long long)got.x[5], (unsigned long long)sum);
        EXPECT(number_before(" chunks, ") > X64_BLOCK_CHUNKS, "%s", text);
    }
}

/* Blocks of more pages than words are kept of, again and again; the pages themselves would be more memory than their few blocks. */
#define PAGED        0x10000u
#define N_PAGED      200u
#define PAGED_ROUNDS 20u

static void load_paged(uint8_t *ram)
{
    static const uint32_t ends[] = {
        0xf1000463, /* subs x3, x3, #1 */
        0x54000040, /* b.eq end */
        0xd61f0160, /* br x11 */
        HVC(1),     /* end: */
    };

    for (uint32_t i = 0; i < N_PAGED; i++) {
        *word(ram, PAGED + 0x1000 * i) = 0x91000484;             /* add x4, x4, #1 */
        *word(ram, PAGED + 0x1000 * i + 4) = 0x14000000 | 0x3ff; /* b to the next page */
    }
    put_code(ram, PAGED + 0x1000 * N_PAGED, ends, sizeof(ends));
}

static void set_paged(struct a64_cpu *cpu)
{
    cpu->pc = cpu->x[11] = PAGED;
    cpu->x[3] = PAGED_ROUNDS;
}

static void test_paged(void)
{
    const struct program p = {.load = load_paged, .set = set_paged, .code_bytes = 256 << 10};
    const struct outcome got = run_both(&p, "paged");

    EXPECT(got.x[4] == (uint64_t)N_PAGED * PAGED_ROUNDS, "%llu", (unsigned long long)got.x[4]);
    EXPECT(number_before(" chunks, ") > X64_BLOCK_CHUNKS &&
               number_before(" evicted with") > N_PAGED * (PAGED_ROUNDS - 2),
           "%s", text);
}

/* What is known about blocks is bounded where no code is emitted. */
#define N_MANY_WINDOWS 18u

static void load_many_windows(uint8_t *ram)
{
    static const uint32_t next[] = {
        0x8b02016b, /* add x11, x11, x2 */
        0xf1000463, /* subs x3, x3, #1 */
        0x54000040, /* b.eq end */
        0xd61f0160, /* br x11 */
        HVC(1),     /* end: */
    };

    load_many(ram);
    put_code(ram, 0x10000 - 8 - 0x100, next, sizeof(next));
    *word(ram, 0x10000 - 8) = 0x17ffffc0; /* b to there */
}

static void set_many_windows(struct a64_cpu *cpu)
{
    set_many(cpu);
    cpu->pc += WINDOWS;
    cpu->x[11] = cpu->pc;
    cpu->x[2] = RAM_SIZE;
    cpu->x[3] = N_MANY_WINDOWS;
}

static void test_interpreter(void)
{
    const struct program p = {
        .load = load_many_windows, .set = set_many_windows, .n_windows = N_MANY_WINDOWS};
    struct outcome got;

    run(&p, true, &got);
    EXPECT(got.x[4] == (uint64_t)N_SMALL * N_MANY_WINDOWS, "%llu", (unsigned long long)got.x[4]);
    EXPECT(number_before(" chunks, ") >= 3, "%s", text);
}

int main(void)
{
    test_full();
    test_full_meanwhile(false);
    test_full_meanwhile(true);
    test_full_between();
    test_full_in_a_loop();
    test_full_of_copies();
    test_ring();
    test_ring_of_two();
    test_changing();
    test_paged();
    test_interpreter();
    return failures != 0;
}
