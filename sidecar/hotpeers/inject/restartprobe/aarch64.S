// Removes the file of its first argument. Ends with 1 if there was one, and with 0 otherwise.
// Linux system calls only: it runs in any image, also in one without a shell or a C library.
        .globl _start
_start:
        mov     x19, #0
        ldr     x0, [sp]                  // argc, argv[0], argv[1], ...
        cmp     x0, #2
        b.lo    end
        mov     x0, #-100                 // unlinkat(AT_FDCWD, argv[1], 0)
        ldr     x1, [sp, #16]
        mov     x2, #0
        mov     x8, #35
        svc     #0
        cmp     x0, #0
        cset    x19, eq
end:    mov     x0, x19                   // exit_group(x19)
        mov     x8, #94
        svc     #0
