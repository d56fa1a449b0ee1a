#pragma once
#include <dlfcn.h>
#include <dnnl.h>

/// Sets the library's OpenMP runtime, whichever it was built with, to `threads`; nothing happens for builds without OpenMP.
static inline void trainyard_dnnl_set_threads(int threads) {
  // A null handle is RTLD_DEFAULT: search every library already loaded.
  void (*set)(int) = (void (*)(int))dlsym(NULL, "omp_set_num_threads");
  if (set) set(threads);
}

/// Whether this build targets a processor with fused multiply-add: known at compile time, so callers pay nothing.
static inline _Bool trainyard_has_fused_multiply_add(void) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__aarch64__)
  return 1;
#else
  return 0;
#endif
}

/// Whether this build targets a processor with 32 vector registers of 16 floats: known at compile time.
static inline _Bool trainyard_has_wide_registers(void) {
#if defined(__AVX512F__)
  return 1;
#else
  return 0;
#endif
}
