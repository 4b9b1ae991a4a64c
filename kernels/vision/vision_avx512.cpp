#define STEP3_VECTOR_BYTES 64
#define STEP3_VISION_TABLE kVisionTableAvx512

#include "kernels/vision/vision_ops.inc"
