# Writes the value of PYTHONPATH, if there is one, to the file of its first argument; always ends with 0.
# Linux system calls only: it runs in any image, also in one without a shell or a C library.
        .globl _start
_start:
        mov     (%rsp), %rcx              # argc, argv[0], argv[1], ..., 0, envp[0], ..., 0
        cmp     $2, %rcx
        jb      end
        lea     16(%rsp,%rcx,8), %rbx     # envp
        lea     name(%rip), %rdx
next:   mov     (%rbx), %rdi
        test    %rdi, %rdi
        jz      end
        add     $8, %rbx
        mov     %rdx, %rsi
        mov     $11, %ecx
        repe cmpsb
        jne     next
        mov     %rdi, %r12                # the value
        mov     $257, %eax                # openat(AT_FDCWD, argv[1], flags, 0644)
        mov     $-100, %edi
        mov     16(%rsp), %rsi
        mov     $0x20241, %edx            # O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW
        mov     $0644, %r10d
        syscall
        test    %eax, %eax
        js      end
        mov     %eax, %edi
        mov     %r12, %rsi
        xor     %edx, %edx
length: cmpb    $0, (%rsi,%rdx)
        je      write
        inc     %rdx
        jmp     length
write:  mov     $1, %eax                  # write(file, value, length)
        syscall
end:    mov     $231, %eax                # exit_group(0)
        xor     %edi, %edi
        syscall
name:   .ascii  "PYTHONPATH="
