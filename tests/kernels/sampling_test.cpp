#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/kernel_table.h"
#include "tests/kernels/kernel_cases.h"

using namespace step3;
using namespace step3::kernels;
using namespace step3::test;

TEST_CASE("weights of a distribution agree with the exponential function, in place too") {
    onEveryIsa([&](Isa isa) {
        Rng rng(5);
        for (const std::int64_t count : {1, 2, 7, 15, 16, 17, 31, 64, 1000}) {
            for (const float factor : {0.1F, 1.0F, 3.0F, 1e5F}) {
                CAPTURE(count, factor);
                std::vector<float> x = randomFloats(rng, count, 20.0F);
                if (count > 1) x.back() = -std::numeric_limits<float>::infinity();
                const float shift = *std::max_element(x.begin(), x.end());
                std::vector<float> found(x.size());
                kernelTable(isa).expScaled(x.data(), count, shift, factor, found.data());
                for (std::size_t i = 0; i < x.size(); ++i) {
                    const double exponent = static_cast<double>(x[i] - shift) * static_cast<double>(factor);
                    if (exponent < -88) {
                        CHECK(found[i] == 0.0F);
                    } else if (exponent > -87) {
                        CHECK(static_cast<double>(found[i]) == Approx(std::exp(exponent)).epsilon(3e-5));
                    }
                }
                kernelTable(isa).expScaled(x.data(), count, shift, factor, x.data());
                CHECK(x == found);
            }
        }
    });
}
