/* strategy_colour.c - see strategy_colour.h. */
#include "strategy_colour.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Terminal colours are a little darker than their pages': the background may be white or black. */
static const struct {
    unsigned rgb;
    int terminal;
} palette[] = {{0x0072B2, 32}, {0xE69F00, 172}, {0x009E73, 36},  {0xCC79A7, 169},
               {0x56B4E9, 74}, {0xD55E00, 166}, {0xF0E442, 178}, {0x8A8F98, 245}};
enum { PALETTE = sizeof palette / sizeof *palette };

/* A channel of sRGB, 0 to 255, as WCAG 2.2 makes it linear. */
static double linear(unsigned channel) {
    double value = channel / 255.0;
    return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
}

/* A channel of hsl(hue, 0.5, 0.62) by the formula of CSS Color 4, section 7.1; offset 0: red, 8: green, 4: blue. */
static unsigned hue_channel(double hue, double offset) {
    double k = fmod(offset + hue / 30, 12), saturation = 0.5, lightness = 0.62;
    double reach = saturation * fmin(lightness, 1 - lightness);
    return (unsigned)lround(255 * (lightness - reach * fmax(-1, fmin(fmin(k - 3, 9 - k), 1))));
}

strategy_colour strategy_colour_of(size_t strategy) {
    strategy_colour colour = {.ink = "#000000"};
    unsigned rgb;
    if (strategy < PALETTE) {
        rgb = palette[strategy].rgb;
        colour.terminal = palette[strategy].terminal;
    } else {
        double hue = fmod(20 + 137.508 * (double)(strategy - PALETTE), 360);
        unsigned red = hue_channel(hue, 0), green = hue_channel(hue, 8), blue = hue_channel(hue, 4);
        rgb = red << 16 | green << 8 | blue;
        colour.terminal = (int)(16 + 36 * ((red * 5 + 127) / 255) + 6 * ((green * 5 + 127) / 255) + (blue * 5 + 127) / 255);
    }
    snprintf(colour.fill, sizeof colour.fill, "#%06x", rgb & 0xFFFFFF);
    double luminance = 0.2126 * linear(rgb >> 16 & 255) + 0.7152 * linear(rgb >> 8 & 255) + 0.0722 * linear(rgb & 255);
    if ((luminance + 0.05) / 0.05 < 1.05 / (luminance + 0.05)) /* black's contrast on it, and white's */
        memcpy(colour.ink, "#ffffff", sizeof colour.ink);
    return colour;
}
