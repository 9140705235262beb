/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The few parts of the ELF format that image.c reads, from <elf.h> where the system has it. */
#ifndef APPLEVISOR_ELF64_H
#define APPLEVISOR_ELF64_H

#ifndef __APPLE__
#include <elf.h>
#else
#include <stdint.h>

#define ELFMAG      "\177ELF"
#define SELFMAG     4
#define EI_CLASS    4
#define EI_DATA     5
#define ELFCLASS64  2
#define ELFDATA2LSB 1
#define ET_EXEC     2
#define EM_AARCH64  183
#define PT_LOAD     1

typedef struct {
    unsigned char e_ident[16];
    uint16_t e_type, e_machine;
    uint32_t e_version;
    uint64_t e_entry, e_phoff, e_shoff;
    uint32_t e_flags;
    uint16_t e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
} Elf64_Ehdr;

typedef struct {
    uint32_t p_type, p_flags;
    uint64_t p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
} Elf64_Phdr;
#endif

#endif
