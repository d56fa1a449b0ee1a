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

/// Whether the processor, as the library is allowed to see it, multiplies pairs of bfloat16 (AVX512-BF16). On processors
/// without, the library would refuse, or take longer than with floats.
static inline _Bool trainyard_dnnl_has_bfloat16(void) {
#if defined(__x86_64__)
  const unsigned wanted = dnnl_cpu_isa_avx512_core_bf16;
  return ((unsigned)dnnl_get_effective_cpu_isa() & wanted) == wanted;
#else
  return 0;
#endif
}

/// One matrix product, compiled by the library for its dimensions. C is fp32, A and B both fp32 or both bfloat16.
typedef struct {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  dnnl_primitive_t primitive;
  dnnl_memory_t a, b, c;
} trainyard_dnnl_product;

/// Frees what `create` made; fine for one that failed half-way.
static inline void trainyard_dnnl_product_destroy(trainyard_dnnl_product *p) {
  if (p->a) dnnl_memory_destroy(p->a);
  if (p->b) dnnl_memory_destroy(p->b);
  if (p->c) dnnl_memory_destroy(p->c);
  if (p->primitive) dnnl_primitive_destroy(p->primitive);
  if (p->stream) dnnl_stream_destroy(p->stream);
  if (p->engine) dnnl_engine_destroy(p->engine);
  *p = (trainyard_dnnl_product){0};
}

/// The descriptor of a stored matrix [rows, columns] whose rows (columns if transposed) are `stride` apart, and memory
/// that points nowhere yet. The parts that differ between versions 2 and 3 of the library are here and in `create`.
#if DNNL_VERSION_MAJOR >= 3
#define TRAINYARD_DNNL_DESC(matrix) (matrix)
#else
#define TRAINYARD_DNNL_DESC(matrix) (&(matrix))
#endif

static inline dnnl_status_t trainyard_dnnl_matrix_create(
    dnnl_memory_desc_t *matrix, dnnl_memory_t *memory, dnnl_engine_t engine, dnnl_data_type_t type, int64_t rows,
    int64_t columns, _Bool transposed, int64_t stride) {
  const dnnl_dims_t dims = {rows, columns};
  const dnnl_dims_t strides = {transposed ? 1 : stride, transposed ? stride : 1};
#if DNNL_VERSION_MAJOR >= 3
  dnnl_status_t status = dnnl_memory_desc_create_with_strides(matrix, 2, dims, type, strides);
#else
  dnnl_status_t status = dnnl_memory_desc_init_by_strides(matrix, 2, dims, type, strides);
#endif
  if (status != dnnl_success) return status;
  return dnnl_memory_create(memory, TRAINYARD_DNNL_DESC(*matrix), engine, DNNL_MEMORY_NONE);
}

/// C[m, n] = op(A)[m, k] · op(B)[k, n] (+ C), with the row distances of ::dnnl_sgemm.
static inline dnnl_status_t trainyard_dnnl_product_create(
    trainyard_dnnl_product *p, _Bool bfloat16, int64_t m, int64_t n, int64_t k, _Bool transpose_a, int64_t lda,
    _Bool transpose_b, int64_t ldb, int64_t ldc, _Bool accumulate) {
  *p = (trainyard_dnnl_product){0};
  const dnnl_data_type_t type = bfloat16 ? dnnl_bf16 : dnnl_f32;
  dnnl_memory_desc_t a = {0}, b = {0}, c = {0};
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_post_ops_t after = NULL;
  dnnl_primitive_desc_t description = NULL;
  dnnl_status_t status = dnnl_engine_create(&p->engine, dnnl_cpu, 0);
  if (status == dnnl_success) status = dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags);
  if (status == dnnl_success) status = trainyard_dnnl_matrix_create(&a, &p->a, p->engine, type, m, k, transpose_a, lda);
  if (status == dnnl_success) status = trainyard_dnnl_matrix_create(&b, &p->b, p->engine, type, k, n, transpose_b, ldb);
  if (status == dnnl_success) status = trainyard_dnnl_matrix_create(&c, &p->c, p->engine, dnnl_f32, m, n, 0, ldc);
  if (status == dnnl_success) status = dnnl_primitive_attr_create(&attributes);
  if (status == dnnl_success && accumulate) {
    status = dnnl_post_ops_create(&after);
#if DNNL_VERSION_MAJOR >= 3
    if (status == dnnl_success) status = dnnl_post_ops_append_sum(after, 1.0f, 0, dnnl_data_type_undef);
#else
    if (status == dnnl_success) status = dnnl_post_ops_append_sum(after, 1.0f);
#endif
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(attributes, after);
  }
#if DNNL_VERSION_MAJOR >= 3
  if (status == dnnl_success)
    status = dnnl_matmul_primitive_desc_create(&description, p->engine, a, b, NULL, c, attributes);
  if (a) dnnl_memory_desc_destroy(a);
  if (b) dnnl_memory_desc_destroy(b);
  if (c) dnnl_memory_desc_destroy(c);
#else
  dnnl_matmul_desc_t operation;
  if (status == dnnl_success) status = dnnl_matmul_desc_init(&operation, &a, &b, NULL, &c);
  if (status == dnnl_success)
    status = dnnl_primitive_desc_create(&description, &operation, attributes, p->engine, NULL);
#endif
  if (status == dnnl_success) status = dnnl_primitive_create(&p->primitive, description);
  if (description) dnnl_primitive_desc_destroy(description);
  if (after) dnnl_post_ops_destroy(after);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  if (status != dnnl_success) trainyard_dnnl_product_destroy(p);
  return status;
}

/// Runs it on these matrices.
static inline dnnl_status_t trainyard_dnnl_product_run(
    const trainyard_dnnl_product *p, const void *a, const void *b, void *c) {
  dnnl_status_t status = dnnl_memory_set_data_handle(p->a, (void *)a);
  if (status == dnnl_success) status = dnnl_memory_set_data_handle(p->b, (void *)b);
  if (status == dnnl_success) status = dnnl_memory_set_data_handle(p->c, c);
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, p->a}, {DNNL_ARG_WEIGHTS, p->b}, {DNNL_ARG_DST, p->c}};
  if (status == dnnl_success) status = dnnl_primitive_execute(p->primitive, p->stream, 3, arguments);
  if (status == dnnl_success) status = dnnl_stream_wait(p->stream);
  return status;
}
