; Flags that cross from a hot loop into code that is met once in a while and does not write them on every path: loop and jecxz
; that fall through, repeated comparisons of nothing, shifts by nothing. And a register that is read into another before it is
; overwritten. Prints the sum of what that code reads.
bits 32
section .data
out:    db "00000000", 10
section .text
global _start:function

ROUNDS equ 60
HOTNESS equ 400

; Runs the hot loop, which leaves CF set and ZF clear, and goes on at %1.
%macro hot 1
    mov ecx, HOTNESS
%%again:
    add edx, ecx
    sub ecx, 1
    cmp ecx, 1
    jge %%again
    jmp %1
%endmacro

_start:
    xor ebp, ebp
    xor edi, edi
.round:
    hot .jecxz
.jecxz:
    mov ecx, 1              ; mov writes no flag
    jecxz .zero
    adc ebp, 0
    hot .loop
.zero:
    cmp eax, eax            ; writes all flags
    jmp .never
.loop:
    mov ecx, 1
    loop .zero
    adc ebp, 0
    hot .compare
.compare:
    mov ecx, 0
    mov esi, out
    mov edi, out
    repe cmpsb
    adc ebp, 0
    setz al
    movzx eax, al
    add ebp, eax
    hot .scan
.scan:
    mov ecx, 0
    repne scasb
    jz .never
    adc ebp, 0
    hot .shift
.shift:
    mov ecx, 32
    shl edx, cl
    adc ebp, 0
    hot .double
.double:
    mov ecx, 0
    shld edx, eax, cl
    adc ebp, 0
    hot .rotate
.rotate:
    mov ecx, 0
    rol edx, cl
    adc ebp, 0
    hot .increment
.increment:
    inc edx                 ; keeps CF
    sbb ebp, 0
    inc dword [rounds]
    cmp dword [rounds], ROUNDS
    jb .round
    mov esi, 1000
    xor edx, edx
.copied:
    add dword [rounds], 7
    mov ebx, [rounds]
    jmp .copy
.copy:
    mov edi, ebx
    mov ebx, esi
    rol edi, 7
    add edx, edi
    sub esi, 1
    jnz .copied
    add edx, ebp
    jmp .print

.never:
    add ebp, 1000
    jmp .round

.print:
    mov edi, out
    mov ecx, 8
.digit:
    rol edx, 4
    mov ebx, edx
    and ebx, 15
    mov bl, [digits + ebx]
    mov [edi], bl
    inc edi
    dec ecx
    jnz .digit
    mov eax, 4
    mov ebx, 1
    mov ecx, out
    mov edx, 9
    int 0x80
    mov eax, 1
    xor ebx, ebx
    int 0x80

section .bss
rounds: resd 1
section .rodata
digits: db "0123456789abcdef"
