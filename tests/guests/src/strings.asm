; String instructions in all sizes and both directions, with every repeat prefix; prints a checksum of registers and
; memory after each.
bits 32
section .data
text:   db "The quick brown fox jumps over the lazy dog. 0123456789", 0
textlen equ $ - text
digits: db "0123456789abcdef"
out:    db "00000000", 10
section .bss
area:   resb 256
section .text
global _start:function

; Adds eax, ecx, esi, edi and the 256 bytes of `area` into edx and prints edx.
report:
    pushfd
    pushad
    cld
    mov edx, eax
    rol edx, 5
    xor edx, ecx
    rol edx, 5
    lea ebx, [esi]
    sub ebx, text
    xor edx, ebx
    rol edx, 5
    lea ebx, [edi]
    sub ebx, area
    xor edx, ebx
    mov ebx, [esp + 32]
    and ebx, 0x4c5          ; OF DF SF ZF PF CF; AF is left out
    xor edx, ebx
    mov ebp, area
    mov ecx, 256
.sum:
    rol edx, 3
    movzx ebx, byte [ebp]
    add edx, ebx
    inc ebp
    dec ecx
    jnz .sum
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
    popad
    popfd
    ret

_start:
    cld
    mov esi, text
    mov edi, area
    mov ecx, textlen
    rep movsb
    call report
    mov esi, text
    mov edi, area + 65      ; unaligned
    mov ecx, textlen / 4
    rep movsd
    call report
    mov esi, text
    mov edi, area + 131
    mov ecx, textlen / 2
    rep movsw
    call report
    mov edi, area + 200
    mov eax, 0xdeadbeef
    mov ecx, 7
    rep stosd
    mov ecx, 3
    rep stosw
    mov ecx, 1
    rep stosb
    call report
    xor ecx, ecx            ; nothing is done
    rep stosd
    call report
    ; overlapping copy upwards by one repeats the first byte
    mov esi, area
    mov edi, area + 1
    mov ecx, 20
    rep movsb
    call report
    ; backwards
    std
    mov esi, area + 60
    mov edi, area + 100
    mov ecx, 33
    rep movsb
    call report
    mov esi, area + 96
    mov edi, area + 250
    mov ecx, 5
    rep movsd
    call report
    cld
    ; searching
    mov edi, text
    mov al, 'x'
    mov ecx, 100
    repne scasb
    call report
    mov edi, area
    mov esi, text
    mov ecx, textlen
    repe cmpsb
    call report
    mov edi, text
    mov esi, text
    mov ecx, textlen
    repe cmpsb
    call report
    mov edi, text
    mov eax, 'quic'
    mov ecx, 3
    repne scasd
    call report
    mov esi, text + 4
    xor eax, eax
    lodsb
    call report
    lodsw
    call report
    lodsd
    call report
    mov esi, text
    mov edi, text
    cmpsw
    call report
    scasd
    call report
    ; 16-bit count with an address size prefix leaves the upper half alone
    mov ecx, 0x50000
    mov esi, text
    mov edi, area
    a16 rep movsb           ; cx = 0: nothing
    call report
    mov ebx, area
    mov al, 7
    xlatb
    call report
    mov eax, 1
    xor ebx, ebx
    int 0x80
