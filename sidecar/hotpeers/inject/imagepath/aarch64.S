// As x86_64.S.
        .globl _start
_start:
        ldr     x0, [sp]                  // argc, argv[0], argv[1], ..., 0, envp[0], ..., 0
        cmp     x0, #2
        b.lo    end
        add     x19, sp, #16
        ldr     x20, [x19]                // argv[1]
        add     x19, x19, x0, lsl #3      // envp
next:   ldr     x21, [x19], #8
        cbz     x21, end
        adr     x1, name
        mov     x2, #11
same:   ldrb    w3, [x21], #1
        ldrb    w4, [x1], #1
        cmp     w3, w4
        b.ne    next
        subs    x2, x2, #1
        b.ne    same
        mov     x8, #56                   // openat(AT_FDCWD, argv[1], flags, 0644), x21 being the value
        mov     x0, #-100
        mov     x1, x20
        mov     x2, #0x8241               // O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW
        mov     x3, #0644
        svc     #0
        tbnz    w0, #31, end
        mov     x1, x21
        mov     x2, #0
length: ldrb    w3, [x1, x2]
        cbz     w3, write
        add     x2, x2, #1
        b       length
write:  mov     x8, #64                   // write(file, value, length)
        svc     #0
end:    mov     x8, #94                   // exit_group(0)
        mov     x0, #0
        svc     #0
name:   .ascii  "PYTHONPATH="
