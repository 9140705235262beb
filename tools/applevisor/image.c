/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "applevisor.h"
#include "elf64.h"

/* The whole file in memory; the caller frees. NULL: complained. */
static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *const file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t used = 0, room = 0;

    if (file == NULL) {
        complain("%s: %s", path, strerror(errno));
        return NULL;
    }
    for (;;) {
        if (used == room) {
            room = room == 0 ? 1u << 16 : room * 2;
            uint8_t *const more = realloc(bytes, room);
            if (more == NULL) {
                complain("%s: out of memory", path);
                break;
            }
            bytes = more;
        }
        const size_t n = fread(bytes + used, 1, room - used, file);
        used += n;
        if (n == 0) {
            if (ferror(file) == 0) {
                fclose(file);
                *size = used;
                return bytes;
            }
            complain("%s: %s", path, strerror(errno));
            break;
        }
    }
    free(bytes);
    fclose(file);
    return NULL;
}

static bool in_ram(const struct image *image, uint64_t address, uint64_t size)
{
    return address >= image->ram_base && size <= image->ram_size &&
           address - image->ram_base <= image->ram_size - size;
}

static bool load_elf(struct image *image, const char *path, const uint8_t *bytes, size_t size)
{
    Elf64_Ehdr header;

    if (size < sizeof(header) || memcmp(bytes, ELFMAG, SELFMAG) != 0) {
        complain("%s: not an ELF file; give --flat ADDRESS for plain bytes", path);
        return false;
    }
    memcpy(&header, bytes, sizeof(header));
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_AARCH64) {
        complain("%s: the ELF file is not 64-bit little-endian AArch64 (e_machine %u)", path,
                 header.e_machine);
        return false;
    }
    if (header.e_type != ET_EXEC) {
        complain(
            "%s: e_type is %u; expected an executable with fixed addresses (ET_EXEC): link it with -static -no-pie",
            path, header.e_type);
        return false;
    }
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > size ||
        header.e_phnum > (size - header.e_phoff) / sizeof(Elf64_Phdr)) {
        complain("%s: the program header table (e_phoff 0x%llx, e_phnum %u) is not inside the file",
                 path, (unsigned long long)header.e_phoff, header.e_phnum);
        return false;
    }
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes + header.e_phoff + i * sizeof(segment), sizeof(segment));
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0) {
            continue;
        }
        if (segment.p_filesz > segment.p_memsz || segment.p_offset > size ||
            segment.p_filesz > size - segment.p_offset) {
            complain("%s: segment %u (p_offset 0x%llx, p_filesz 0x%llx) is not inside the file",
                     path, i, (unsigned long long)segment.p_offset,
                     (unsigned long long)segment.p_filesz);
            return false;
        }
        if (!in_ram(image, segment.p_paddr, segment.p_memsz)) {
            complain(
                "%s: segment %u (p_paddr 0x%llx, p_memsz 0x%llx) is not inside RAM at 0x%llx; --memory makes it larger",
                path, i, (unsigned long long)segment.p_paddr, (unsigned long long)segment.p_memsz,
                (unsigned long long)image->ram_base);
            return false;
        }
        memcpy(image->ram + (segment.p_paddr - image->ram_base), bytes + segment.p_offset,
               segment.p_filesz);
    }
    image->entry = header.e_entry;
    return true;
}

bool image_load(struct image *image, const char *path, bool flat, uint64_t flat_address)
{
    size_t size = 0;
    uint8_t *const bytes = read_file(path, &size);
    bool ok = false;

    if (bytes == NULL) {
        return false;
    }
    if (!flat) {
        ok = load_elf(image, path, bytes, size);
    } else if (!in_ram(image, flat_address, size)) {
        complain("%s: 0x%zx bytes at 0x%llx are not inside RAM at 0x%llx; --memory makes it larger",
                 path, size, (unsigned long long)flat_address, (unsigned long long)image->ram_base);
    } else {
        memcpy(image->ram + (flat_address - image->ram_base), bytes, size);
        image->entry = flat_address;
        ok = true;
    }
    free(bytes);
    return ok;
}
