/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * oracle CASES RESULTS: runs each case on the processor below it (qemu-aarch64 in user mode) and writes a struct diff_result each.
 * Every case ends in a signal, whose context holds the state.
 */
#include <asm/sigcontext.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "case.h"

#define ORACLE_LOADER (DIFF_CODE - 0x2000)

extern const uint32_t oracle_load[], oracle_load_branch[], oracle_load_end[];

static struct diff_state start;
static struct diff_result result;
static sigjmp_buf done;

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(2);
}

static void save_simd(const mcontext_t *m)
{
    const char *p = (const char *)m->__reserved;

    for (;;) {
        struct _aarch64_ctx head;

        memcpy(&head, p, sizeof(head));
        if (head.magic == FPSIMD_MAGIC) {
            const struct fpsimd_context *const fp = (const void *)p;
            result.state.fpcr = fp->fpcr;
            result.state.fpsr = fp->fpsr;
            memcpy(result.state.v, fp->vregs, sizeof(result.state.v));
            return;
        }
        if (head.magic == 0 || head.size == 0) {
            fputs("oracle: no FPSIMD record in the signal frame\n", stderr);
            _Exit(2);
        }
        p += head.size;
    }
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    const mcontext_t *const m = &((const ucontext_t *)context)->uc_mcontext;
    const uint64_t address = (uintptr_t)info->si_addr;

    memcpy(result.state.x, m->regs, sizeof(result.state.x));
    result.state.sp = m->sp;
    result.state.pc = m->pc;
    result.state.nzcv = m->pstate & 0xf0000000;
    save_simd(m);
    result.fault_address = 0;
    switch (number) {
    case SIGTRAP:
        result.outcome = DIFF_STOPPED;
        break;
    case SIGILL:
        result.outcome = DIFF_UNDEFINED;
        break;
    case SIGSEGV:
    case SIGBUS:
        if (address == m->pc && address != DIFF_PC && address != DIFF_START) {
            result.outcome = DIFF_FETCH_FAULT;
        } else {
            result.outcome = number == SIGBUS ? DIFF_ALIGN_FAULT : DIFF_DATA_FAULT;
            result.fault_address = address;
        }
        break;
    default:
        result.outcome = DIFF_OTHER;
        break;
    }
    siglongjmp(done, 1);
}

static void *map(uint64_t address, size_t size, int protection)
{
    void *const p = mmap((void *)(uintptr_t)address, size, protection,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (p != (void *)(uintptr_t)address) {
        fail("oracle: mmap");
    }
    return p;
}

static void catch_signals(void)
{
    static char stack[65536];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    const int numbers[] = {SIGTRAP, SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGSYS};
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    if (sigaltstack(&alternate, NULL) != 0) {
        fail("oracle: sigaltstack");
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaction(numbers[i], &action, NULL);
    }
}

static void (*make_loader(void))(const struct diff_state *)
{
    uint32_t *const page = map(ORACLE_LOADER, 4096, PROT_READ | PROT_WRITE);
    const size_t words = (size_t)(oracle_load_end - oracle_load),
                 branch = (size_t)(oracle_load_branch - oracle_load);

    memcpy(page, oracle_load, words * sizeof(page[0]));
    page[branch] = 0x14000000 |
                   ((uint32_t)((DIFF_START - (ORACLE_LOADER + 4 * branch)) / 4) & 0x3ffffff);
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0) {
        fail("oracle: mprotect");
    }
    __builtin___clear_cache((char *)page, (char *)page + 4096);
    return (void (*)(const struct diff_state *))(uintptr_t)page;
}

int main(int argc, char **argv)
{
    FILE *const in = argc == 3 ? fopen(argv[1], "rb") : NULL;
    FILE *const out = argc == 3 ? fopen(argv[2], "wb") : NULL;
    struct diff_case c;

    if (in == NULL || out == NULL) {
        fail("oracle CASES RESULTS");
    }
    uint64_t *const window = map(DIFF_WINDOW, DIFF_WINDOW_SIZE, PROT_READ | PROT_WRITE);
    uint32_t *const code = map(DIFF_CODE, DIFF_CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
    void (*const load)(const struct diff_state *) = make_loader();

    for (size_t i = 0; i < DIFF_CODE_SIZE / 4; i++) {
        code[i] = DIFF_BRK;
    }
    catch_signals();
    while (fread(&c, sizeof(c), 1, in) == 1) {
        uint32_t *const at = code + (DIFF_START - DIFF_CODE) / 4;

        case_expand(&c, &start, window);
        at[0] = c.pre;
        at[1] = c.oracle_word;
        __builtin___clear_cache((char *)at, (char *)(at + 2));
        if (sigsetjmp(done, 0) == 0) {
            load(&start);
        }
        case_changes(&c, window, &result);
        if (fwrite(&result, sizeof(result), 1, out) != 1) {
            fail("oracle: write");
        }
    }
    return fclose(out) == 0 ? 0 : 2;
}
