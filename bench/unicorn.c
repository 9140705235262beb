/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * unicorn IMAGE: a guest program under libunicorn, as `applevisor run` and QEMU run it: 256 MiB of RAM, a PL011 to print with,
 * and an end by HVC. Unicorn hands every exception to its user instead of the guest, so the kernels that take some cannot run.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#define RAM_BASE  0x40000000ull
#define RAM_BYTES (256ull << 20)
#define UART_BASE 0x09000000ull
#define UART_DR   0x00
#define UART_FR   0x18
#define HVC       0xd4000002u

static bool ended;

static void check(uc_err error, const char *call)
{
    if (error != UC_ERR_OK) {
        fprintf(stderr, "unicorn: %s: %s\n", call, uc_strerror(error));
        exit(1);
    }
}
#define CHECK(call) check((call), #call)

static uint64_t uart_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    (void)uc;
    (void)size;
    (void)user;
    return offset == UART_FR ? 0x90 : 0; /* both FIFOs are empty */
}

static void uart_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
    (void)uc;
    (void)size;
    (void)user;
    if (offset == UART_DR) {
        putchar((int)(value & 0xff));
    }
}

static void on_exception(uc_engine *uc, uint32_t number, void *user)
{
    uint64_t pc = 0;
    uint32_t instruction = 0;

    (void)user;
    /* There is no EL2, so HVC is undefined; the number of the exception does not tell which instruction was. */
    uc_reg_read(uc, UC_ARM64_REG_PC, &pc);
    uc_mem_read(uc, pc, &instruction, sizeof(instruction));
    ended = instruction == HVC;
    if (!ended) {
        fprintf(stderr, "unicorn: exception %u at 0x%llx\n", (unsigned)number,
                (unsigned long long)pc);
    }
    uc_emu_stop(uc);
}

/* The whole file in memory, NULL: complained. */
static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *const file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long end = -1;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        end = ftell(file);
        rewind(file);
    }
    if (end > 0) {
        bytes = malloc((size_t)end);
    }
    if (bytes == NULL || fread(bytes, 1, (size_t)end, file) != (size_t)end) {
        fprintf(stderr, "unicorn: cannot read %s\n", path);
        free(bytes);
        bytes = NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    *size = (size_t)end;
    return bytes;
}

/* Copies the segments into RAM and returns the entry, 0 for what is no such image. */
static uint64_t load(uc_engine *uc, const uint8_t *bytes, size_t size)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;

    if (size < sizeof(header) || memcmp(bytes, ELFMAG, SELFMAG) != 0) {
        return 0;
    }
    memcpy(&header, bytes, sizeof(header));
    for (size_t i = 0; i < header.e_phnum; i++) {
        const size_t at = header.e_phoff + i * sizeof(segment);
        if (at > size || size - at < sizeof(segment)) {
            return 0;
        }
        memcpy(&segment, bytes + at, sizeof(segment));
        if (segment.p_type != PT_LOAD || segment.p_filesz == 0) {
            continue;
        }
        if (segment.p_offset > size || size - segment.p_offset < segment.p_filesz) {
            return 0;
        }
        CHECK(uc_mem_write(uc, segment.p_paddr, bytes + segment.p_offset, segment.p_filesz));
    }
    return header.e_entry;
}

int main(int argc, char **argv)
{
    uc_engine *uc;
    uc_hook hook;
    size_t size;

    if (argc != 2) {
        fprintf(stderr, "usage: unicorn IMAGE\n");
        return 2;
    }
    uint8_t *const bytes = read_file(argv[1], &size);
    if (bytes == NULL) {
        return 1;
    }
    CHECK(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc));
    CHECK(uc_ctl_set_cpu_model(uc, UC_CPU_ARM64_MAX));
    CHECK(uc_mem_map(uc, RAM_BASE, RAM_BYTES, UC_PROT_ALL));
    CHECK(uc_mmio_map(uc, UART_BASE, 0x1000, uart_read, NULL, uart_write, NULL));
    CHECK(uc_hook_add(uc, &hook, UC_HOOK_INTR, (void *)(uintptr_t)on_exception, NULL, 1, 0));
    const uint64_t entry = load(uc, bytes, size);
    if (entry == 0) {
        fprintf(stderr, "unicorn: %s is not an AArch64 image\n", argv[1]);
        return 1;
    }
    CHECK(uc_emu_start(uc, entry, UINT64_MAX, 0, 0));
    CHECK(uc_close(uc));
    free(bytes);
    return ended ? 0 : 1;
}
