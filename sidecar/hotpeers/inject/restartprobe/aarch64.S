// Ends with 1 if it removes the file of its first argument, which must be at most 2 seconds old, and
// with 0 otherwise.
// Linux system calls only: it runs in any image, also in one without a shell or a C library.
        .globl _start
_start:
        mov     x19, #0
        ldr     x0, [sp]                  // argc, argv[0], argv[1], ...
        cmp     x0, #2
        b.lo    end
        ldr     x20, [sp, #16]
        sub     sp, sp, #144              // struct stat, then struct timespec
        mov     x0, #-100                 // newfstatat(AT_FDCWD, argv[1], &stat, AT_SYMLINK_NOFOLLOW)
        mov     x1, x20
        mov     x2, sp
        mov     x3, #0x100
        mov     x8, #79
        svc     #0
        cbnz    x0, end
        mov     x0, #0                    // clock_gettime(CLOCK_REALTIME, &timespec)
        add     x1, sp, #128
        mov     x8, #113
        svc     #0
        cbnz    x0, end
        ldr     x0, [sp, #128]
        ldr     x1, [sp, #88]
        sub     x0, x0, x1                // now - stat.st_mtime, in whole seconds
        add     x0, x0, #2                // a clock that was set back makes it negative
        cmp     x0, #4
        b.hi    end
        mov     x0, #-100                 // unlinkat(AT_FDCWD, argv[1], 0)
        mov     x1, x20
        mov     x2, #0
        mov     x8, #35
        svc     #0
        cbnz    x0, end
        mov     x19, #1
        mov     x0, #1                    // write(1, why, ...): kubelet's Event quotes it
        adr     x1, why
        mov     x2, #(over - why)
        mov     x8, #64
        svc     #0
end:    mov     x0, x19                   // exit_group(x19)
        mov     x8, #94
        svc     #0
why:    .ascii  "hotpeers restarts the agent, which is idle: its configuration has changed\n"
over:
