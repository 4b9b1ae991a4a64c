#define STEP3_VECTOR_BYTES 16
#define STEP3_VISION_TABLE kVisionTableBaseline

#include "kernels/vision/vision_ops.inc"
