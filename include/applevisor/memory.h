/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * Guest memory: host memory that is mapped into a VM, wholly or in parts, and bounds-checked access
 * to it by guest address.
 *
 * A memory object is one piece of host memory, its own or the caller's. It keeps its VM alive, and
 * unmaps itself when it is destroyed. Permissions bind the guest; host access is never limited by
 * them. The guest works on the very same bytes: nothing is copied, and neither side needs a call to
 * see what the other wrote.
 */
#ifndef APPLEVISOR_MEMORY_H
#define APPLEVISOR_MEMORY_H

#include <applevisor/vm.h>

AV_BEGIN_DECLS

typedef struct av_memory av_memory; /**< Host memory that a guest can be given. */

/** What the guest may do; combinations with | are values of it too. Equal to HV_MEMORY_*. */
typedef enum av_perms {
    AV_PERMS_NONE = 0,
    AV_PERMS_R = 1,
    AV_PERMS_W = 2,
    AV_PERMS_X = 4,
    AV_PERMS_RW = 3,
    AV_PERMS_RX = 5,
    AV_PERMS_WX = 6,
    AV_PERMS_RWX = 7,
} av_perms;

/**
 * Permissions as text.
 *
 * @param perms AV_PERMS_NONE to AV_PERMS_RWX.
 * @return "---" to "rwx"; "???" for any other value. Static.
 * Threads: any. Since: 0.1.
 */
AV_API const char *av_perms_name(av_perms perms);

/* --- Life ------------------------------------------------------------------------------------ */

/**
 * Allocates memory for a VM: zeroed, not mapped yet.
 *
 * @param memory Out: the memory, to be destroyed by the caller with av_memory_destroy().
 * @param vm The VM; it gets a reference more.
 * @param size Bytes, at least 1; rounded up to the VM's page size (av_memory_size() tells).
 * @retval AV_ERROR_BAD_ARGUMENT size is 0.
 * @retval AV_ERROR_OUT_OF_RANGE size is so large that it cannot be rounded up.
 * @retval AV_ERROR_NO_MEMORY,AV_ERROR_NO_RESOURCES There is not so much memory.
 * @retval AV_ERROR_NULL_ARGUMENT memory or vm is NULL.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_memory_create(av_memory **memory, av_vm *vm, size_t size);

/**
 * Makes a memory object of memory that the caller owns: a file in mmap(), memory shared with another
 * process, a buffer. It must stay there until the object is destroyed.
 *
 * @param memory Out: as of av_memory_create(). Destroying it does not free host.
 * @param vm The VM; it gets a reference more.
 * @param host Start of the memory, aligned to the host's page, as mmap() returns it.
 * @param size Bytes: a multiple of the VM's page size, not 0.
 * @retval AV_ERROR_MISALIGNED host or size is not a multiple of its page.
 * @retval AV_ERROR_OUT_OF_RANGE The range wraps around.
 * @retval AV_ERROR_NULL_ARGUMENT A pointer is NULL.
 * @retval AV_ERROR_NO_MEMORY Out of memory.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_memory_wrap(av_memory **memory, av_vm *vm, void *host, size_t size);

/**
 * Unmaps the memory where it is mapped, frees it where the object allocated it, and gives up the
 * reference to the VM.
 *
 * @param memory The memory; NULL does nothing. No other thread may be using it.
 * Threads: any. Since: 0.1.
 */
AV_API void av_memory_destroy(av_memory *memory);

static inline void av_memory_auto(av_memory **memory)
{
    av_memory_destroy(*memory);
}

/**
 * The size of the memory, after rounding.
 *
 * @param memory The memory, not NULL.
 * @return Bytes.
 * Threads: any. Since: 0.1.
 */
AV_API size_t av_memory_size(const av_memory *memory);

/**
 * Where the memory is in this process, mapped into the guest or not.
 *
 * @param memory The memory, not NULL.
 * @return Address of byte 0; valid as long as the object.
 * Threads: any. Since: 0.1.
 */
AV_API void *av_memory_host_address(const av_memory *memory);

/**
 * Where byte 0 of the memory is in the guest.
 *
 * @param memory The memory.
 * @param address Out: guest physical address; the lowest one where there are several.
 * @retval AV_ERROR_NOT_MAPPED Byte 0 is not mapped.
 * @retval AV_ERROR_NULL_ARGUMENT An argument is NULL.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_memory_guest_address(const av_memory *memory, hv_ipa_t *address);

/* --- Mapping --------------------------------------------------------------------------------- */

/**
 * Maps all of the memory into the guest.
 *
 * @param memory The memory; no part of it is mapped yet.
 * @param address Guest physical address: a multiple of the VM's page size.
 * @param perms What the guest may do.
 * @retval AV_ERROR_MAPPED It is mapped already: av_memory_unmap() it first, or map another part of
 *     it with av_memory_map_range().
 * @retval AV_ERROR_OVERLAP Other memory is mapped there.
 * @retval AV_ERROR_MISALIGNED address is not a multiple of the page size.
 * @retval AV_ERROR_OUT_OF_RANGE It would end beyond the VM's IPA size.
 * @retval AV_ERROR_BAD_ARGUMENT perms is no av_perms.
 * @retval AV_ERROR_FAILED The framework does not take this host memory.
 * @retval AV_ERROR_NO_RESOURCES,AV_ERROR_NO_MEMORY Out of memory.
 * @retval AV_ERROR_NULL_ARGUMENT memory is NULL.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_memory_map(av_memory *memory, hv_ipa_t address, av_perms perms);

/**
 * Maps a part of the memory into the guest. Parts may be mapped at several addresses.
 *
 * @param memory The memory.
 * @param offset First byte of the part: a multiple of the VM's page size.
 * @param size Bytes: a multiple of the page size, not 0.
 * @param address,perms As for av_memory_map().
 * @retval AV_ERROR_OUT_OF_RANGE The part ends beyond the memory, or the mapping beyond the IPA size.
 * @retval AV_ERROR_MISALIGNED offset, size or address is not a multiple of the page size.
 * @return Else as av_memory_map(), but never AV_ERROR_MAPPED.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_memory_map_range(av_memory *memory, size_t offset, size_t size, hv_ipa_t address,
                                    av_perms perms);

/**
 * Unmaps all of the memory, wherever it is mapped. When the call returns, no vCPU uses it any more.
 *
 * @param memory The memory.
 * @retval AV_ERROR_NOT_MAPPED No part of it is mapped.
 * @retval AV_ERROR_NULL_ARGUMENT memory is NULL.
 * @return Else what the framework answered; then part of it may still be mapped.
 * Threads: any; waits until running vCPUs have seen it. Since: 0.1.
 */
AV_API av_error av_memory_unmap(av_memory *memory);

/**
 * Unmaps a range of guest addresses that this memory is mapped at.
 *
 * @param memory The memory.
 * @param address First byte: a multiple of the VM's page size.
 * @param size Bytes: a multiple of the page size, not 0.
 * @retval AV_ERROR_NOT_MAPPED This memory is not mapped at all of the range: nothing changes.
 * @retval AV_ERROR_MISALIGNED address or size is not a multiple of the page size.
 * @retval AV_ERROR_NO_RESOURCES,AV_ERROR_NO_MEMORY Out of memory: nothing changes.
 * @retval AV_ERROR_NULL_ARGUMENT memory is NULL.
 * Threads: any; waits until running vCPUs have seen it. Since: 0.1.
 */
AV_API av_error av_memory_unmap_range(av_memory *memory, hv_ipa_t address, size_t size);

/**
 * Changes what the guest may do with all of the memory, wherever it is mapped.
 *
 * @param memory The memory.
 * @param perms What the guest may do from now on.
 * @retval AV_ERROR_NOT_MAPPED No part of it is mapped.
 * @retval AV_ERROR_BAD_ARGUMENT perms is no av_perms.
 * @retval AV_ERROR_NO_RESOURCES Out of memory; mappings before the one that failed are changed.
 * @retval AV_ERROR_NULL_ARGUMENT memory is NULL.
 * Threads: any; waits until running vCPUs have seen it. Since: 0.1.
 */
AV_API av_error av_memory_protect(av_memory *memory, av_perms perms);

/**
 * Changes what the guest may do with a range of guest addresses that this memory is mapped at.
 *
 * @param memory,address,size As for av_memory_unmap_range().
 * @param perms What the guest may do from now on.
 * @retval AV_ERROR_BAD_ARGUMENT perms is no av_perms.
 * @return Else as av_memory_unmap_range().
 * Threads: any; waits until running vCPUs have seen it. Since: 0.1.
 */
AV_API av_error av_memory_protect_range(av_memory *memory, hv_ipa_t address, size_t size,
                                        av_perms perms);

/* --- Access by guest address ----------------------------------------------------------------- */

/**
 * Reads memory by guest address. The range may span several mappings of the memory.
 *
 * @param memory The memory.
 * @param address Guest physical address, of any alignment.
 * @param data Out: size bytes. May be NULL where size is 0.
 * @param size Bytes; 0 is allowed up to the end of a mapping.
 * @retval AV_ERROR_NOT_MAPPED No part of the memory is mapped.
 * @retval AV_ERROR_OUT_OF_RANGE The range is not all in mappings of this memory: nothing is read.
 * @retval AV_ERROR_NULL_ARGUMENT A pointer is NULL.
 * Threads: any. Bytes that a guest writes meanwhile may be old or new. Since: 0.1.
 */
AV_API av_error av_memory_read(const av_memory *memory, hv_ipa_t address, void *data, size_t size);

/**
 * Writes memory by guest address.
 *
 * @param memory,address,size As for av_memory_read().
 * @param data What to write.
 * @return As av_memory_read(); on failure nothing is written. A vCPU executes changed code from its
 *     next run on.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_memory_write(av_memory *memory, hv_ipa_t address, const void *data, size_t size);

/**
 * Reads one little-endian value by guest address, of any alignment; aligned ones are read at once, so
 * that a value which a guest writes at the same time is never seen half.
 *
 * @param memory The memory.
 * @param address Guest physical address.
 * @param value Out.
 * @return As av_memory_read().
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_memory_read_u8(const av_memory *memory, hv_ipa_t address, uint8_t *value);
AV_API av_error av_memory_read_u16(const av_memory *memory, hv_ipa_t address,
                                   uint16_t *value); /**< @copydoc av_memory_read_u8 */
AV_API av_error av_memory_read_u32(const av_memory *memory, hv_ipa_t address,
                                   uint32_t *value); /**< @copydoc av_memory_read_u8 */
AV_API av_error av_memory_read_u64(const av_memory *memory, hv_ipa_t address,
                                   uint64_t *value); /**< @copydoc av_memory_read_u8 */

/**
 * Writes one little-endian value by guest address, of any alignment; aligned ones at once.
 *
 * @param memory The memory.
 * @param address Guest physical address.
 * @param value What to write.
 * @return As av_memory_write().
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_memory_write_u8(av_memory *memory, hv_ipa_t address, uint8_t value);
AV_API av_error av_memory_write_u16(av_memory *memory, hv_ipa_t address,
                                    uint16_t value); /**< @copydoc av_memory_write_u8 */
AV_API av_error av_memory_write_u32(av_memory *memory, hv_ipa_t address,
                                    uint32_t value); /**< @copydoc av_memory_write_u8 */
AV_API av_error av_memory_write_u64(av_memory *memory, hv_ipa_t address,
                                    uint64_t value); /**< @copydoc av_memory_write_u8 */

/**
 * Finds the host address of a guest address, for access without copying.
 *
 * @param memory The memory.
 * @param address Guest physical address.
 * @param size Bytes that shall follow each other in the host too, at least 1.
 * @param host Out: where they are. Valid as long as the memory object, mapped or not.
 * @retval AV_ERROR_BAD_ARGUMENT size is 0.
 * @return Else as av_memory_read().
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_memory_host_range(const av_memory *memory, hv_ipa_t address, size_t size,
                                     void **host);

/**
 * Reads guest memory of a VM, of whatever memory objects are mapped there: a device model's DMA.
 *
 * @param vm The VM.
 * @param address Guest physical address, of any alignment.
 * @param data Out: size bytes. May be NULL where size is 0.
 * @param size Bytes.
 * @retval AV_ERROR_OUT_OF_RANGE Not all of the range is mapped by memory objects: nothing is read.
 * @retval AV_ERROR_NULL_ARGUMENT A pointer is NULL.
 * Threads: any; memory is not unmapped meanwhile. Since: 0.1.
 */
AV_API av_error av_vm_read(av_vm *vm, hv_ipa_t address, void *data, size_t size);

/**
 * Writes guest memory of a VM, of whatever memory objects are mapped there.
 *
 * @param vm,address,size As for av_vm_read().
 * @param data What to write.
 * @return As av_vm_read(); on failure nothing is written.
 * Threads: any; memory is not unmapped meanwhile. Since: 0.1.
 */
AV_API av_error av_vm_write(av_vm *vm, hv_ipa_t address, const void *data, size_t size);

AV_END_DECLS

#endif /* APPLEVISOR_MEMORY_H */
