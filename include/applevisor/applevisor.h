/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * libapplevisor, the safe layer above Hypervisor.framework: include this one.
 *
 * The objects are a VM, its memory, its vCPUs and its GIC, each with an opaque type. They can be
 * given up in any order; the VM ends with the last of them. Functions return an av_error and write
 * results through out-parameters on success only.
 */
#ifndef APPLEVISOR_APPLEVISOR_H
#define APPLEVISOR_APPLEVISOR_H

#include <applevisor/base.h>
#include <applevisor/error.h>
#include <applevisor/exit.h>
#include <applevisor/gic.h>
#include <applevisor/insn.h>
#include <applevisor/irq.h>
#include <applevisor/memory.h>
#include <applevisor/mmio.h>
#include <applevisor/psci.h>
#include <applevisor/sysreg.h>
#include <applevisor/translate.h>
#include <applevisor/vcpu.h>
#include <applevisor/version.h>
#include <applevisor/vm.h>

#endif /* APPLEVISOR_APPLEVISOR_H */
