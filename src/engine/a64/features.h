/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* enum a64_feature. The generated list has another name because its folder is on the include path, where the C library looks for
 * its own features.h. */
#ifndef ENGINE_A64_FEATURES_H
#define ENGINE_A64_FEATURES_H

#include "engine/a64/feature_list.h"

#endif
