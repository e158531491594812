# Ends with 1 if it removes the file of its first argument, which must be at most 2 seconds old, and
# with 0 otherwise.
# Linux system calls only: it runs in any image, also in one without a shell or a C library.
        .globl _start
_start:
        xor     %r12d, %r12d
        cmpq    $2, (%rsp)                # argc, argv[0], argv[1], ...
        jb      end
        mov     16(%rsp), %rbx
        sub     $160, %rsp                # struct stat, then struct timespec
        mov     $262, %eax                # newfstatat(AT_FDCWD, argv[1], &stat, AT_SYMLINK_NOFOLLOW)
        mov     $-100, %rdi
        mov     %rbx, %rsi
        mov     %rsp, %rdx
        mov     $0x100, %r10d
        syscall
        test    %eax, %eax
        jnz     end
        mov     $228, %eax                # clock_gettime(CLOCK_REALTIME, &timespec)
        xor     %edi, %edi
        lea     144(%rsp), %rsi
        syscall
        test    %eax, %eax
        jnz     end
        mov     144(%rsp), %rax
        sub     88(%rsp), %rax            # now - stat.st_mtime, in whole seconds
        add     $2, %rax                  # a clock that was set back makes it negative
        cmp     $4, %rax
        ja      end
        mov     $263, %eax                # unlinkat(AT_FDCWD, argv[1], 0)
        mov     $-100, %rdi
        mov     %rbx, %rsi
        xor     %edx, %edx
        syscall
        test    %eax, %eax
        jnz     end
        inc     %r12d
        mov     $1, %eax                  # write(1, why, ...): kubelet's Event quotes it
        mov     $1, %edi
        lea     why(%rip), %rsi
        mov     $(over - why), %edx
        syscall
end:    mov     $231, %eax                # exit_group(%r12)
        mov     %r12d, %edi
        syscall
why:    .ascii  "hotpeers restarts the agent, which is idle: its configuration has changed\n"
over:
