/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Entry and EL1 vectors of a bare-metal guest. Assumes EL1 with the MMU off and nothing else, so that the same
 * image runs under `applevisor run` and `qemu-system-aarch64 -M virt -kernel`.
 */
    .section .text.start, "ax"
    .globl _start
_start:
    msr     daifset, #0xf
    msr     spsel, #1
    adrp    x9, stack_top
    add     x9, x9, :lo12:stack_top
    mov     sp, x9
    mov     x9, #(3 << 20)          /* CPACR_EL1.FPEN: no trap */
    msr     cpacr_el1, x9
    adr     x9, vectors
    msr     vbar_el1, x9
    isb
    adrp    x9, bss_start
    add     x9, x9, :lo12:bss_start
    adrp    x10, bss_end
    add     x10, x10, :lo12:bss_end
1:  cmp     x9, x10
    b.hs    2f
    stp     xzr, xzr, [x9], #16
    b       1b
2:  bl      guest_main
    b       guest_exit

/* Where PSCI CPU_ON starts a vCPU: X0 is the top of its stack, on which smp.c has put the number of the vCPU. */
    .globl secondary_start
secondary_start:
    msr     daifset, #0xf
    msr     spsel, #1
    mov     sp, x0
    mov     x9, #(3 << 20)
    msr     cpacr_el1, x9
    adr     x9, vectors
    msr     vbar_el1, x9
    isb
    ldr     x0, [sp]
    bl      secondary_main

/* Layout of struct frame in guest.h. */
    .balign 0x800
vectors:
    .set    kind, 0
    .rept   16
    .balign 0x80
    sub     sp, sp, #288
    stp     x0, x1, [sp]
    mov     x1, #kind
    b       save
    .set    kind, kind + 1
    .endr

    .balign 0x80
save:
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x2, elr_el1
    stp     x30, x2, [sp, #240]
    mrs     x2, spsr_el1
    mrs     x3, esr_el1
    stp     x2, x3, [sp, #256]
    mrs     x2, far_el1
    stp     x2, x1, [sp, #272]
    mov     x0, sp
    bl      guest_exception
    ldp     x30, x2, [sp, #240]
    msr     elr_el1, x2
    ldr     x2, [sp, #256]
    msr     spsr_el1, x2
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldp     x0, x1, [sp]
    add     sp, sp, #288
    eret

/* void enter_el0(uint64_t pc, uint64_t x0): returns when an exception handler sets its frame's ELR to leave_el0. */
    .globl enter_el0
enter_el0:
    stp     x19, x20, [sp, #-96]!
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    msr     elr_el1, x0
    mov     x9, #0x3c0
    msr     spsr_el1, x9
    mov     x0, x1
    eret
    .globl leave_el0
leave_el0:
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     x19, x20, [sp], #96
    ret
