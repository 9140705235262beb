/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Boots an unmodified arm64 Linux kernel on the public API and prints its early console, through MMIO exits of a PL011, until the
 * kernel needs the interrupt controller, which this example does not have.
 *
 * usage: linux-log IMAGE [COMMAND LINE]
 *
 * Shows: the boot protocol, a device tree made with libfdt, MMIO, PSCI calls, and system registers that exit.
 */
#include <libfdt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Hypervisor/Hypervisor.h>

#define RAM_BASE      0x40000000ull
#define RAM_SIZE      (512ull << 20)
#define KERNEL_OFFSET 0x200000ull /* 2 MiB aligned, as the boot protocol asks */
#define DTB_OFFSET    (RAM_SIZE - 0x200000)
#define DTB_SIZE      0x10000
#define UART_BASE     0x9000000ull
#define UART_SIZE     0x1000ull
#define GICD_BASE     0x8000000ull
#define GICR_BASE     0x80a0000ull
#define GIC_END       0x9000000ull

static void check(hv_return_t ret, const char *call)
{
    if (ret != HV_SUCCESS) {
        fprintf(stderr, "linux-log: %s: 0x%08x; HV_TRACE=1 says why\n", call, (unsigned)ret);
        exit(1);
    }
}
#define CHECK(call) check((call), #call)

/* --- The device tree ---------------------------------------------------------------------------------------------------------- */

static void fdt_check(int error)
{
    if (error != 0) {
        fprintf(stderr, "linux-log: device tree: %s\n", fdt_strerror(error));
        exit(1);
    }
}

static void cells(void *fdt, const char *name, const uint32_t *values, size_t n)
{
    fdt32_t big_endian[8];

    for (size_t i = 0; i < n; i++) {
        big_endian[i] = cpu_to_fdt32(values[i]);
    }
    fdt_check(fdt_property(fdt, name, big_endian, (int)(n * sizeof(big_endian[0]))));
}
#define CELLS(fdt, name, ...)                             \
    cells((fdt), (name), (const uint32_t[]){__VA_ARGS__}, \
          sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
/* A list of strings, each but the last with its \0 written out. */
#define STRINGS(fdt, name, text) fdt_check(fdt_property((fdt), (name), (text), (int)sizeof(text)))
#define BEGIN(fdt, name)         fdt_check(fdt_begin_node((fdt), (name)))
#define END(fdt)                 fdt_check(fdt_end_node(fdt))

enum { PHANDLE_GIC = 1, PHANDLE_CLOCK = 2 };

static void make_device_tree(void *fdt, const char *command_line)
{
    fdt_check(fdt_create(fdt, DTB_SIZE));
    fdt_check(fdt_finish_reservemap(fdt));
    BEGIN(fdt, "");
    CELLS(fdt, "#address-cells", 2);
    CELLS(fdt, "#size-cells", 2);
    CELLS(fdt, "interrupt-parent", PHANDLE_GIC);
    STRINGS(fdt, "compatible", "applevisor,linux-log");
    STRINGS(fdt, "model", "linux-log");

    BEGIN(fdt, "chosen");
    STRINGS(fdt, "stdout-path", "/uart@9000000");
    fdt_check(fdt_property(fdt, "bootargs", command_line, (int)strlen(command_line) + 1));
    END(fdt);

    BEGIN(fdt, "memory@40000000");
    STRINGS(fdt, "device_type", "memory");
    CELLS(fdt, "reg", 0, (uint32_t)RAM_BASE, 0, (uint32_t)RAM_SIZE);
    END(fdt);

    BEGIN(fdt, "cpus");
    CELLS(fdt, "#address-cells", 1);
    CELLS(fdt, "#size-cells", 0);
    BEGIN(fdt, "cpu@0");
    STRINGS(fdt, "device_type", "cpu");
    STRINGS(fdt, "compatible", "arm,armv8");
    STRINGS(fdt, "enable-method", "psci");
    CELLS(fdt, "reg", 0);
    END(fdt);
    END(fdt);

    BEGIN(fdt, "psci");
    STRINGS(fdt, "compatible", "arm,psci-1.0\0arm,psci-0.2");
    STRINGS(fdt, "method", "hvc");
    END(fdt);

    BEGIN(fdt, "timer");
    STRINGS(fdt, "compatible", "arm,armv8-timer");
    STRINGS(fdt, "interrupt-names", "virt");
    CELLS(fdt, "interrupts", 1, 11, 4);
    END(fdt);

    BEGIN(fdt, "interrupt-controller@8000000");
    STRINGS(fdt, "compatible", "arm,gic-v3");
    fdt_check(fdt_property(fdt, "interrupt-controller", NULL, 0));
    CELLS(fdt, "#interrupt-cells", 3);
    CELLS(fdt, "reg", 0, (uint32_t)GICD_BASE, 0, 0x10000, 0, (uint32_t)GICR_BASE, 0, 0x20000);
    CELLS(fdt, "phandle", PHANDLE_GIC);
    END(fdt);

    BEGIN(fdt, "clock");
    STRINGS(fdt, "compatible", "fixed-clock");
    CELLS(fdt, "#clock-cells", 0);
    CELLS(fdt, "clock-frequency", 24000000);
    CELLS(fdt, "phandle", PHANDLE_CLOCK);
    END(fdt);

    BEGIN(fdt, "uart@9000000");
    STRINGS(fdt, "compatible", "arm,pl011\0arm,primecell");
    STRINGS(fdt, "clock-names", "uartclk\0apb_pclk");
    CELLS(fdt, "reg", 0, (uint32_t)UART_BASE, 0, (uint32_t)UART_SIZE);
    CELLS(fdt, "interrupts", 0, 1, 4);
    CELLS(fdt, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
    END(fdt);
    END(fdt);
    fdt_check(fdt_finish(fdt));
}

/* --- The kernel --------------------------------------------------------------------------------------------------------------- */

static void load_kernel(uint8_t *at, uint64_t room, const char *path)
{
    FILE *const file = fopen(path, "rb");
    uint64_t image_size;

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    const size_t size = fread(at, 1, room, file);
    fclose(file);
    if (size < 64 || memcmp(at + 56, "ARM\x64", 4) != 0) {
        fprintf(stderr, "linux-log: %s: no arm64 Image: \"ARM\\x64\" is not at byte 56\n", path);
        exit(1);
    }
    memcpy(&image_size, at + 16, sizeof(image_size));
    if (size == room || image_size > room) {
        fprintf(stderr, "linux-log: %s: needs more than the %llu MiB there are\n", path,
                (unsigned long long)(room >> 20));
        exit(1);
    }
}

/* --- Exits -------------------------------------------------------------------------------------------------------------------- */

static uint64_t get(hv_vcpu_t vcpu, hv_reg_t reg)
{
    uint64_t value = 0;

    CHECK(hv_vcpu_get_reg(vcpu, reg, &value));
    return value;
}

static void skip(hv_vcpu_t vcpu)
{
    CHECK(hv_vcpu_set_reg(vcpu, HV_REG_PC, get(vcpu, HV_REG_PC) + 4));
}

/* ISS.SRT and ISS.Rt are 31 for XZR, but register 31 of this API is the PC. */
static void put(hv_vcpu_t vcpu, unsigned rt, uint64_t value)
{
    if (rt != 31) {
        CHECK(hv_vcpu_set_reg(vcpu, HV_REG_X0 + rt, value));
    }
}

static uint64_t uart_read(uint64_t offset)
{
    static const uint8_t ids[8] = {0x11, 0x10, 0x14, 0x00,
                                   0x0d, 0xf0, 0x05, 0xb1}; /* PeriphID, CellID */

    if (offset == 0x18) {
        return 0x90; /* FR: transmit and receive FIFOs are empty */
    }
    return offset >= 0xfe0 ? ids[(offset - 0xfe0) / 4] : 0;
}

static void hypercall(hv_vcpu_t vcpu)
{
    switch ((uint32_t)get(vcpu, HV_REG_X0)) {
    case 0x84000000: /* PSCI_VERSION: 1.1 */
        put(vcpu, 0, 0x10001);
        break;
    case 0x84000006: /* MIGRATE_INFO_TYPE: no trusted OS */
        put(vcpu, 0, 2);
        break;
    default: /* NOT_SUPPORTED */
        put(vcpu, 0, UINT64_MAX);
        break;
    }
}

/* False: the example ends here. */
static bool handle_exit(hv_vcpu_t vcpu, const hv_vcpu_exit_t *exit_info, int *result)
{
    const uint64_t syndrome = exit_info->exception.syndrome,
                   ipa = exit_info->exception.physical_address;

    if (exit_info->reason == HV_EXIT_REASON_VTIMER_ACTIVATED) {
        return true; /* nobody could deliver it; it has masked itself */
    }
    if (exit_info->reason == HV_EXIT_REASON_EXCEPTION) {
        switch (syndrome >> 26) {
        case 0x16: /* HVC; the PC is past it */
            hypercall(vcpu);
            return true;
        case 0x18: /* a register that the guest is not given: reads as zero, writes are ignored */
            if ((syndrome & 1) != 0) {
                put(vcpu, (unsigned)(syndrome >> 5 & 31), 0);
            }
            skip(vcpu);
            return true;
        case 0x24: /* Data Abort: MMIO, when the syndrome is valid */
            if (ipa >= UART_BASE && ipa < UART_BASE + UART_SIZE && (syndrome >> 24 & 1) != 0) {
                const unsigned rt = (unsigned)(syndrome >> 16 & 31);
                if ((syndrome >> 6 & 1) == 0) {
                    put(vcpu, rt, uart_read(ipa - UART_BASE));
                } else if (ipa == UART_BASE) {
                    putchar(rt == 31 ? 0 : (int)(get(vcpu, HV_REG_X0 + rt) & 0xff));
                }
                skip(vcpu);
                return true;
            }
            if (ipa >= GICD_BASE && ipa < GIC_END) {
                printf(
                    "\nlinux-log: the kernel asks for the interrupt controller (IPA 0x%llx): as far as this example goes\n",
                    (unsigned long long)ipa);
                *result = 0;
                return false;
            }
            break;
        default:
            break;
        }
    }
    printf(
        "\nlinux-log: unexpected exit: reason %u, syndrome 0x%llx, PC 0x%llx, virtual address 0x%llx, IPA 0x%llx\n",
        (unsigned)exit_info->reason, (unsigned long long)syndrome,
        (unsigned long long)get(vcpu, HV_REG_PC),
        (unsigned long long)exit_info->exception.virtual_address, (unsigned long long)ipa);
    *result = 1;
    return false;
}

int main(int argc, char **argv)
{
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit_info;
    void *memory = NULL;
    int result = 1;

    if (argc < 2) {
        fprintf(stderr, "usage: linux-log IMAGE [COMMAND LINE]\n");
        return 2;
    }
    CHECK(hv_vm_create(NULL));
    CHECK(hv_vm_allocate(&memory, RAM_SIZE, HV_ALLOCATE_DEFAULT));
    uint8_t *const ram = memory;
    load_kernel(ram + KERNEL_OFFSET, DTB_OFFSET - KERNEL_OFFSET, argv[1]);
    make_device_tree(ram + DTB_OFFSET, argc > 2 ? argv[2] : "earlycon console=ttyAMA0");
    CHECK(hv_vm_map(ram, RAM_BASE, RAM_SIZE, HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC));

    CHECK(hv_vcpu_create(&vcpu, &exit_info, NULL));
    CHECK(hv_vcpu_set_reg(vcpu, HV_REG_PC, RAM_BASE + KERNEL_OFFSET));
    CHECK(hv_vcpu_set_reg(vcpu, HV_REG_X0, RAM_BASE + DTB_OFFSET));
    CHECK(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c5)); /* EL1h, everything masked */
    do {
        CHECK(hv_vcpu_run(vcpu));
    } while (handle_exit(vcpu, exit_info, &result));
    fflush(stdout);

    CHECK(hv_vcpu_destroy(vcpu));
    CHECK(hv_vm_destroy());
    CHECK(hv_vm_deallocate(memory, RAM_SIZE));
    return result;
}
