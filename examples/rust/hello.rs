// SPDX-License-Identifier: MIT OR Apache-2.0
//! The smallest guest from Rust: libapplevisor through its C ABI. Prints what the guest left in X0.
//!
//!     rustc hello.rs -l applevisor -l hypervisor

use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::null_mut;

#[repr(C)]
#[derive(Default)]
struct Exception {
    syndrome: u64,
    virtual_address: u64,
    physical_address: u64,
}

#[repr(C)]
#[derive(Default)]
struct Exit {
    reason: u32,
    exception: Exception,
}

macro_rules! opaque {
    ($($name:ident)*) => { $(#[repr(C)] struct $name { _private: [u8; 0] })* };
}
opaque!(AvVm AvMemory AvVcpu);

extern "C" {
    fn av_error_message() -> *const c_char;
    fn av_vm_create(vm: *mut *mut AvVm) -> c_int;
    fn av_vm_unref(vm: *mut AvVm);
    fn av_memory_create(memory: *mut *mut AvMemory, vm: *mut AvVm, size: usize) -> c_int;
    fn av_memory_destroy(memory: *mut AvMemory);
    fn av_memory_map(memory: *mut AvMemory, address: u64, perms: c_int) -> c_int;
    fn av_memory_write(memory: *mut AvMemory, address: u64, data: *const c_void, size: usize) -> c_int;
    fn av_vcpu_create(vcpu: *mut *mut AvVcpu, vm: *mut AvVm) -> c_int;
    fn av_vcpu_destroy(vcpu: *mut AvVcpu) -> c_int;
    fn av_vcpu_set_reg(vcpu: *mut AvVcpu, reg: u32, value: u64) -> c_int;
    fn av_vcpu_get_reg(vcpu: *const AvVcpu, reg: u32, value: *mut u64) -> c_int;
    fn av_vcpu_run(vcpu: *mut AvVcpu) -> c_int;
    fn av_vcpu_get_exit(vcpu: *const AvVcpu, exit: *mut Exit) -> c_int;
}

const RX: c_int = 5;
const X0: u32 = 0;
const PC: u32 = 31;

/// A refusal in the library's words.
fn check(error: c_int) -> Result<(), String> {
    if error == 0 {
        return Ok(());
    }
    // The message is a C string that is never NULL, and valid until the next failure of this thread.
    Err(unsafe { CStr::from_ptr(av_error_message()) }.to_string_lossy().into_owned())
}

/// The objects, given up in whatever order Rust drops them.
struct Machine {
    vm: *mut AvVm,
    memory: *mut AvMemory,
    vcpu: *mut AvVcpu,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Each of them accepts NULL, and the vCPU is on its own thread: a raw pointer is not Send.
        unsafe {
            av_vm_unref(self.vm);
            av_memory_destroy(self.memory);
            av_vcpu_destroy(self.vcpu);
        }
    }
}

fn run() -> Result<(u64, u64), String> {
    let code: [u32; 2] = [0xd2800840, 0xd4000002]; // mov x0, #0x42; hvc #0
    let mut m = Machine { vm: null_mut(), memory: null_mut(), vcpu: null_mut() };
    let mut exit = Exit::default();
    let mut x0 = 0;

    // All pointers are to live objects and places of the right type.
    unsafe {
        check(av_vm_create(&mut m.vm))?;
        check(av_memory_create(&mut m.memory, m.vm, 0x4000))?;
        check(av_vcpu_create(&mut m.vcpu, m.vm))?;
        check(av_memory_map(m.memory, 0x4000, RX))?;
        check(av_memory_write(m.memory, 0x4000, code.as_ptr().cast(), std::mem::size_of_val(&code)))?;
        check(av_vcpu_set_reg(m.vcpu, PC, 0x4000))?;
        check(av_vcpu_run(m.vcpu))?;
        check(av_vcpu_get_exit(m.vcpu, &mut exit))?;
        check(av_vcpu_get_reg(m.vcpu, X0, &mut x0))?;
        println!("{}", check(av_memory_map(m.memory, 0x1000, RX)).unwrap_err());
    }
    Ok((x0, exit.exception.syndrome))
}

fn main() {
    match run() {
        Ok((x0, syndrome)) => {
            println!("x0 = {x0:#x}, syndrome = {syndrome:#x}");
            std::process::exit(if x0 == 0x42 && syndrome >> 26 == 0x16 { 0 } else { 1 });
        }
        Err(reason) => {
            eprintln!("{reason}");
            std::process::exit(1);
        }
    }
}
