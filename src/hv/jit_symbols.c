/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Names of translated code for others: a line per block in the file that perf looks for, and a symbol file in memory per block for
 * a debugger. Both interfaces are of the process, so what is kept here is global.
 */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hv/trace.h"

/* --- perf: tools/perf/Documentation/jit-interface.txt of the Linux kernel --------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *map;
static pid_t map_pid; /* a child process writes a file of its own */

/* Caller holds the lock. NULL: it cannot be written. */
static FILE *perf_map(void)
{
    char path[64];

    if (map_pid == getpid()) {
        return map;
    }
    map_pid = getpid();
    snprintf(path, sizeof(path), P_tmpdir "/perf-%d.map", (int)map_pid);
    /* The directory is everybody's: nothing is written through a link that somebody has laid there. */
    unlink(path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    map = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (map == NULL) {
        fprintf(stderr, "HV_TRACE=perf: %s cannot be written\n", path);
        if (fd >= 0) {
            close(fd);
        }
    }
    return map;
}

void hv_perf_code_made(const void *start, size_t size, const char *name)
{
    pthread_mutex_lock(&lock);
    FILE *const f = perf_map();
    if (f != NULL) {
        fprintf(f, "%" PRIxPTR " %zx %s\n", (uintptr_t)start, size, name);
        fflush(f); /* the process may end by a signal, and perf reads the file after it */
    }
    pthread_mutex_unlock(&lock);
}

/* --- GDB: "JIT Compilation Interface" of its manual. The names and layouts are what debuggers look for. --------------------------- */

struct jit_code_entry {
    struct jit_code_entry *next_entry, *prev_entry;
    const char *symfile_addr;
    uint64_t symfile_size;
};

struct jit_descriptor {
    uint32_t version;
    uint32_t action_flag;
    struct jit_code_entry *relevant_entry;
    struct jit_code_entry *first_entry;
};

enum { JIT_NOACTION, JIT_REGISTER, JIT_UNREGISTER };

void __jit_debug_register_code(void);
extern struct jit_descriptor __jit_debug_descriptor;

/* A debugger puts a breakpoint here. */
__attribute__((noinline, used)) void __jit_debug_register_code(void)
{
    __asm__ volatile("" ::: "memory");
}

__attribute__((used)) struct jit_descriptor __jit_debug_descriptor = {1, JIT_NOACTION, NULL, NULL};

enum { SECTION_TEXT = 1, SECTION_SYMTAB, SECTION_STRTAB, SECTION_COUNT };

static const char section_names[] = "\0.text\0.symtab\0.strtab";
enum { NAME_TEXT = 1, NAME_SYMTAB = 7, NAME_STRTAB = 15, NAMES_SIZE = sizeof(section_names) };

/* An object file with nothing but one function's name and place. */
struct symbol_file {
    struct jit_code_entry entry;
    Elf64_Ehdr header;
    Elf64_Shdr sections[SECTION_COUNT];
    Elf64_Sym symbols[2];
    char strings[NAMES_SIZE + 64];
};

#define FILE_OFFSET(member) \
    (offsetof(struct symbol_file, member) - offsetof(struct symbol_file, header))

static void fill(struct symbol_file *file, const void *start, size_t size, const char *name)
{
    file->header = (Elf64_Ehdr){
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_REL,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_shoff = FILE_OFFSET(sections),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = SECTION_COUNT,
        .e_shstrndx = SECTION_STRTAB,
    };
    file->sections[SECTION_TEXT] = (Elf64_Shdr){
        .sh_name = NAME_TEXT,
        .sh_type = SHT_NOBITS, /* the bytes are in memory already */
        .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
        .sh_addr = (uintptr_t)start,
        .sh_size = size,
        .sh_addralign = 1,
    };
    file->sections[SECTION_SYMTAB] = (Elf64_Shdr){
        .sh_name = NAME_SYMTAB,
        .sh_type = SHT_SYMTAB,
        .sh_offset = FILE_OFFSET(symbols),
        .sh_size = sizeof(file->symbols),
        .sh_link = SECTION_STRTAB,
        .sh_info = 1, /* the first that is not local */
        .sh_addralign = 8,
        .sh_entsize = sizeof(Elf64_Sym),
    };
    file->sections[SECTION_STRTAB] = (Elf64_Shdr){
        .sh_name = NAME_STRTAB,
        .sh_type = SHT_STRTAB,
        .sh_offset = FILE_OFFSET(strings),
        .sh_size = sizeof(file->strings),
        .sh_addralign = 1,
    };
    file->symbols[1] = (Elf64_Sym){
        .st_name = NAMES_SIZE,
        .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
        .st_shndx = SECTION_TEXT,
        .st_size = size,
    };
    memcpy(file->strings, section_names, NAMES_SIZE);
    snprintf(file->strings + NAMES_SIZE, sizeof(file->strings) - NAMES_SIZE, "%s", name);
    file->entry.symfile_addr = (const char *)&file->header;
    file->entry.symfile_size = sizeof(*file) - offsetof(struct symbol_file, header);
}

static void tell(struct jit_code_entry *entry, uint32_t action)
{
    __jit_debug_descriptor.relevant_entry = entry;
    __jit_debug_descriptor.action_flag = action;
    __jit_debug_register_code();
    __jit_debug_descriptor.action_flag = JIT_NOACTION;
    __jit_debug_descriptor.relevant_entry = NULL;
}

void hv_gdb_code_made(const void *start, size_t size, const char *name)
{
    struct symbol_file *const file = calloc(1, sizeof(*file));

    if (file == NULL) {
        return; /* the block has no name, and runs */
    }
    fill(file, start, size, name);
    pthread_mutex_lock(&lock);
    struct jit_code_entry *const first = __jit_debug_descriptor.first_entry;
    file->entry.next_entry = first;
    if (first != NULL) {
        first->prev_entry = &file->entry;
    }
    __jit_debug_descriptor.first_entry = &file->entry;
    tell(&file->entry, JIT_REGISTER);
    pthread_mutex_unlock(&lock);
}

void hv_gdb_code_gone(const void *start, size_t size)
{
    struct jit_code_entry *next;

    pthread_mutex_lock(&lock);
    for (struct jit_code_entry *e = __jit_debug_descriptor.first_entry; e != NULL; e = next) {
        next = e->next_entry;
        struct symbol_file *const file = (struct symbol_file *)(void *)e; /* its first member */
        if (file->sections[SECTION_TEXT].sh_addr - (uintptr_t)start >= size) {
            continue;
        }
        if (e->prev_entry != NULL) {
            e->prev_entry->next_entry = next;
        } else {
            __jit_debug_descriptor.first_entry = next;
        }
        if (next != NULL) {
            next->prev_entry = e->prev_entry;
        }
        tell(e, JIT_UNREGISTER);
        free(file);
    }
    pthread_mutex_unlock(&lock);
}
