/* The one function that Rust's standard library wants of bcryptprimitives.dll and Wine 8 does not have. */
#include <windows.h>
#include <ntsecapi.h>

/* RtlGenRandom takes a 32-bit length; this one does not. */
static const SIZE_T CHUNK = 128 << 20;

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
    while (length > 0) {
        ULONG chunk = (ULONG)(length < CHUNK ? length : CHUNK);
        if (!RtlGenRandom(buffer, chunk))
            return FALSE;
        buffer += chunk;
        length -= chunk;
    }
    return TRUE;
}
