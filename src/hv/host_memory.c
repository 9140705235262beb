/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A guest's access is a load or store of this process: to a page that the process itself may not read or write it would be a
 * SIGSEGV, by the guest's will. So memory is looked at when it is mapped. /proc/self/maps says what it allows, since Linux 6.11
 * by one ioctl for each mapping, before that as text. Probing by touching was dropped: it makes untouched memory resident, page
 * by page.
 */
#include "hv/host_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* As in <linux/fs.h>, which on Debian 12 is older than the call. */
struct procmap_query {
    uint64_t size, query_flags, query_addr;
    uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset;
    uint64_t inode;
    uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
    uint64_t vma_name_addr, build_id_addr;
};
_Static_assert(sizeof(struct procmap_query) == 104, "the kernel's layout");
#define PROCMAP_QUERY _IOWR('f', 17, struct procmap_query)
enum { VMA_READABLE = 1, VMA_WRITABLE = 2 };

/* False: the kernel does not have the call. */
static bool ask_by_ioctl(int maps, uint64_t start, uint64_t end, struct host_access *access)
{
    for (uint64_t at = start; at < end;) {
        struct procmap_query query = {.size = sizeof(query), .query_addr = at};
        if (ioctl(maps, PROCMAP_QUERY, &query) != 0) {
            access->mapped = false;
            return errno == ENOENT; /* a hole */
        }
        access->readable &= (query.vma_flags & VMA_READABLE) != 0;
        access->writable &= (query.vma_flags & VMA_WRITABLE) != 0;
        at = query.vma_end;
    }
    return true;
}

/* Lines are `start-end rwxp offset ...`, in order of address. */
static void ask_by_text(FILE *maps, uint64_t start, uint64_t end, struct host_access *access)
{
    uint64_t at = start;
    char *line = NULL;
    size_t room = 0;

    while (at < end && getline(&line, &room, maps) > 0) {
        unsigned long long from, to;
        char r, w;
        if (sscanf(line, "%llx-%llx %c%c", &from, &to, &r, &w) != 4 || to <= at) {
            continue;
        }
        if (from > at) {
            break;
        }
        access->readable &= r == 'r';
        access->writable &= w == 'w';
        at = to;
    }
    free(line);
    access->mapped = at >= end;
}

struct host_access host_memory_access(const void *start, size_t size)
{
    const uint64_t first = (uintptr_t)start, end = first + size;
    struct host_access access = {.mapped = true, .readable = true, .writable = true};
    const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

    if (maps < 0) {
        access.mapped = msync((void *)(uintptr_t)start, size, MS_ASYNC) == 0 || errno != ENOMEM;
        return access;
    }
    if (!ask_by_ioctl(maps, first, end, &access)) {
        access = (struct host_access){.readable = true, .writable = true};
        FILE *const text = fdopen(maps, "r");
        if (text != NULL) {
            ask_by_text(text, first, end, &access);
            fclose(text);
            return access;
        }
    }
    close(maps);
    return access;
}
