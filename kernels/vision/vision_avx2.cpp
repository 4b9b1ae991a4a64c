#define STEP3_VECTOR_BYTES 32
#define STEP3_VISION_TABLE kVisionTableAvx2

#include "kernels/vision/vision_ops.inc"
