/* qgemm_inline.h - how the compiler is told to make a function for each format and number of rows.
 *
 * CSO_SMALL_KERNELS (builds with sanitizers, whose checks multiply the code until a file takes minutes): one function for all, with
 * the same results.
 */
#ifndef CSO_KERNELS_QGEMM_INLINE_H
#define CSO_KERNELS_QGEMM_INLINE_H

#ifdef CSO_SMALL_KERNELS
#define QV_INLINE static inline
#define QV_TILE   static __attribute__((noinline))
#define QV_UNROLL(n)
#else
#define QV_INLINE       static inline __attribute__((always_inline))
#define QV_TILE         QV_INLINE
#define QV_PRAGMA(text) _Pragma(#text)
#define QV_UNROLL(n)    QV_PRAGMA(GCC unroll n)
#endif

#endif
