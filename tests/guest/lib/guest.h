/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a bare-metal test program has: a console, an exit, exceptions, and an identity mapping. */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stdint.h>

/* What start.S saves; ELR, SPSR and the registers are put back from here. */
struct frame {
    uint64_t x[31];
    uint64_t elr, spsr, esr, far;
    uint64_t kind; /* number of the vector: 0..3 SP_EL0, 4..7 SP_EL1, 8..11 lower EL */
};
_Static_assert(sizeof(struct frame) == 288, "start.S has the offsets");

/* The program; its result is its exit code. */
int guest_main(void);

/* Called for every exception. The library's own, weak, reports it and ends the program with code 99. */
void guest_exception(struct frame *frame);

/* Prints `exit CODE` and powers off by PSCI. */
void guest_exit(int code) __attribute__((noreturn));

/* PL011 at 0x9000000, polled. */
void print(const char *text);
void print_hex(const char *name, uint64_t value);
void print_dec(const char *name, uint64_t value);

void enter_el0(uint64_t pc, uint64_t x0);
extern const uint32_t leave_el0[];

/*
 * Turns the MMU on with 4K granule and 39-bit VA: 0..1G Device, 1G..2G Normal, executable at EL1, both by identity.
 * Returns the level 1 table, whose other entries are the caller's.
 */
uint64_t *map_identity(void);

/* A call by HVC, which is the conduit both under `applevisor run` and QEMU's virt. */
int64_t psci(uint32_t function, uint64_t a, uint64_t b, uint64_t c);

/* --- smp.c, for programs of several vCPUs --- */

#ifndef GUEST_CPUS
#define GUEST_CPUS 4
#endif

#define PSCI_CPU_OFF       0x84000002u
#define PSCI_CPU_ON        0xc4000003u
#define PSCI_AFFINITY_INFO 0xc4000004u

/*
 * Switches vCPU 1..GUEST_CPUS-1 on: it turns the MMU on, with the tables of map_identity(), which must have been called, runs
 * program(cpu) on a stack of its own and switches itself off. Returns what PSCI did.
 */
int64_t start_cpu(unsigned cpu, void (*program)(unsigned cpu));

/* Returns once all GUEST_CPUS vCPUs have called it. */
void barrier(void);

/*
 * Waits until vCPU cpu ^ 1 has come to this turn too, so that both go on at about the same time; but only for a moment, as the
 * host may let the other wait. Turns count up.
 */
void meet(unsigned cpu, uint64_t turn);

/* Turns the MMU on on a vCPU as map_identity() did on the first. */
void map_identity_again(void);

#define DESC_TABLE  3ull
#define DESC_BLOCK  1ull
#define DESC_PAGE   3ull
#define DESC_DEVICE (0ull << 2)
#define DESC_NORMAL (1ull << 2)
#define DESC_EL0    (1ull << 6)
#define DESC_RO     (1ull << 7)
#define DESC_SH     (3ull << 8)
#define DESC_AF     (1ull << 10)
#define DESC_NG     (1ull << 11)
#define DESC_PXN    (1ull << 53)
#define DESC_UXN    (1ull << 54)
#define DESC_MEMORY (DESC_NORMAL | DESC_SH | DESC_AF)

#define READ_SYSREG(name)                                            \
    __extension__({                                                  \
        uint64_t value_;                                             \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)::"memory"); \
        value_;                                                      \
    })
#define WRITE_SYSREG(name, value) \
    __asm__ volatile("msr " #name ", %0\n isb" ::"r"((uint64_t)(value)) : "memory")

#endif
