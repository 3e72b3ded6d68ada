; The smallest program worth running: one line, by two system calls.
bits 32
section .rodata
line:   db "Hello from i386: this program was translated to JavaScript.", 10
.end:
section .text
global _start:function
_start:
    mov eax, 4              ; write
    mov ebx, 1
    mov ecx, line
    mov edx, line.end - line
    int 0x80
    mov eax, 1              ; exit
    xor ebx, ebx
    int 0x80
