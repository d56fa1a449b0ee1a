#pragma once
#include <dlfcn.h>
#include <dnnl.h>
#include <stddef.h>

/// Sets the library's OpenMP runtime, whichever it was built with, to `threads`; nothing happens for builds without OpenMP.
static inline void trainyard_dnnl_set_threads(int threads) {
  // A null handle is RTLD_DEFAULT: search every library already loaded.
  void (*set)(int) = (void (*)(int))dlsym(NULL, "omp_set_num_threads");
  if (set) set(threads);
}
