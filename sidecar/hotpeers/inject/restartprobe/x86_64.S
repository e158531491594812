# Removes the file of its first argument. Ends with 1 if there was one, and with 0 otherwise.
# Linux system calls only: it runs in any image, also in one without a shell or a C library.
        .globl _start
_start:
        xor     %ebx, %ebx
        cmpq    $2, (%rsp)                # argc, argv[0], argv[1], ...
        jb      end
        mov     $87, %eax                 # unlink(argv[1])
        mov     16(%rsp), %rdi
        syscall
        test    %eax, %eax
        sete    %bl
end:    mov     $231, %eax                # exit_group(%rbx)
        mov     %ebx, %edi
        syscall
