package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// leastShare of Slack's limits makes some messages a minute.
const leastShare = 0.01

var plainShare = regexp.MustCompile(`^[0-9]{0,3}(\.[0-9]{1,9})?%?$`)

// parseShare reads a part of Slack's limits, as a percentage (50%) or a fraction
// (0.5); 0 when the text is empty.
func parseShare(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || !plainShare.MatchString(text) || share < leastShare || share > 1 {
		return 0, fmt.Errorf("%q is no share of Slack's limits: give a percentage from 1%% to 100%%, as in 50%%, or a fraction from 0.01 to 1, as in 0.5", text)
	}
	return share, nil
}
