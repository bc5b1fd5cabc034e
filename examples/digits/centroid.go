// SPDX-License-Identifier: Apache-2.0

package digits

// centroids is the nearest-centroid classifier: an image is read as the digit
// whose average training image it resembles most.
//
// Its scores are the class probabilities under the assumption that goes with
// that rule: each digit is its average image plus noise of one variance in
// every pixel, and no digit is more frequent than another.
type centroids struct {
	mean     [Classes]Image
	variance float64 // of a pixel around the mean of its class
}

// learnCentroids averages the images of each label. Every label must occur.
func learnCentroids(rows Dataset) *centroids {
	c := &centroids{}
	var count [Classes]float64
	for _, row := range rows {
		count[row.Label]++
		for i, v := range row.Pixels {
			c.mean[row.Label][i] += v
		}
	}
	for label := range c.mean {
		for i := range c.mean[label] {
			c.mean[label][i] /= count[label]
		}
	}
	for i := range rows {
		c.variance += distance(&rows[i].Pixels, &c.mean[rows[i].Label])
	}
	c.variance /= float64(len(rows) * Pixels)
	return c
}

func (c *centroids) scores(x *Image) Scores {
	var s Scores
	for label := range c.mean {
		s[label] = -distance(x, &c.mean[label]) / (2 * c.variance)
	}
	softmax(&s)
	return s
}

// distance is the squared Euclidean distance.
func distance(a, b *Image) float64 {
	sum := 0.0
	for i := range a {
		d := a[i] - b[i]
		sum += d * d
	}
	return sum
}
