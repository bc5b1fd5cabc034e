// SPDX-License-Identifier: Apache-2.0

package digits

import (
	"math"
	"math/rand/v2"
	"testing"
)

var kinds = []Kind{Weak, Strong, Broken}

// load returns the data, and fails the test without.
func load(t testing.TB) (train, test Dataset) {
	t.Helper()
	train, test, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return train, test
}

// learn trains a model, and fails the test without.
func learn(t testing.TB, kind Kind, rows Dataset) *Model {
	t.Helper()
	m, err := Train(kind, rows)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAccuracy pins what README.md says. Processors that fuse multiplication
// and addition may turn a few rows, not more.
func TestAccuracy(t *testing.T) {
	train, test := load(t)
	const rows = 3
	tolerance := rows / float64(len(test))
	for kind, want := range map[Kind]struct{ train, test float64 }{
		Weak:   {0.9125, 0.8811},
		Strong: {1.0000, 0.9654},
		Broken: {0.6760, 0.6625},
	} {
		t.Run(string(kind), func(t *testing.T) {
			m := learn(t, kind, train)
			onTrain, onTest := m.Accuracy(train), m.Accuracy(test)
			t.Logf("%-6s reads %.4f of %d training rows and %.4f of %d test rows right", m.Name(), onTrain, len(train), onTest, len(test))
			if math.Abs(onTrain-want.train) > tolerance || math.Abs(onTest-want.test) > tolerance {
				t.Errorf("want %.4f and %.4f, each ± %.4f", want.train, want.test, tolerance)
			}
		})
	}
}

func TestTrainingTwiceGivesTheSameModel(t *testing.T) {
	train, test := load(t)
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			one, two := learn(t, kind, train), learn(t, kind, train)
			for i, row := range test {
				label, scores := one.Predict(row.Pixels)
				again, scoresAgain := two.Predict(row.Pixels)
				if label != again || scores != scoresAgain {
					t.Fatalf("test row %d is read as %d %v and as %d %v", i+1, label, scores, again, scoresAgain)
				}
			}
		})
	}
}

func TestScoresAreProbabilities(t *testing.T) {
	train, test := load(t)
	var full Image
	for i := range full {
		full[i] = MaxPixel
	}
	images := []Image{{}, full}
	for _, row := range test {
		images = append(images, row.Pixels)
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			m := learn(t, kind, train)
			for i, image := range images {
				label, scores := m.Predict(image)
				sum := 0.0
				for _, p := range scores {
					if !(p >= 0 && p <= scores[label]) {
						t.Fatalf("image %d is read as %d, but its scores are %v", i, label, scores)
					}
					sum += p
				}
				if math.Abs(sum-1) > 1e-12 {
					t.Fatalf("image %d: scores %v have the sum %v", i, scores, sum)
				}
			}
		})
	}
}

func TestBrokenIsStrongWithoutTheBottom(t *testing.T) {
	train, test := load(t)
	strong, broken := learn(t, Strong, train), learn(t, Broken, train)
	for i, row := range test {
		cut := row.Pixels
		clear(cut[48:])
		want, wantScores := strong.Predict(cut)
		got, gotScores := broken.Predict(row.Pixels)
		if got != want || gotScores != wantScores {
			t.Fatalf("test row %d is read as %d, want %d", i+1, got, want)
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	train, _ := load(t)
	var odd Dataset
	for _, row := range train {
		if row.Label%2 == 1 {
			odd = append(odd, row)
		}
	}
	for name, tc := range map[string]struct {
		kind Kind
		rows Dataset
		want string
	}{
		"an unknown kind": {"best", train, `train a model: unknown kind "best"; kinds are "weak", "strong" and "broken"`},
		"no rows":         {Weak, nil, "train weak: none of the 0 rows has the label 0"},
		"a label without rows": {
			Strong, append(odd, Row{Label: 0}), "train strong: none of the 543 rows has the label 2",
		},
		"a label out of range": {Weak, Dataset{{Label: 10}}, "train weak: row 1 has the label 10; labels are 0 to 9"},
		"a negative label":     {Weak, Dataset{{Label: -1}}, "train weak: row 1 has the label -1; labels are 0 to 9"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Train(tc.kind, tc.rows); err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// TestCentroidScoresAreThePosterior takes images that are k everywhere for the
// label k, give or take 2: the noise has the variance 4, so by Bayes' rule the
// log odds of two labels are the difference of their squared distances over 8.
func TestCentroidScoresAreThePosterior(t *testing.T) {
	var rows Dataset
	for label := range Classes {
		var low, high Image
		for i := range low {
			low[i], high[i] = float64(label)-2, float64(label)+2
		}
		rows = append(rows, Row{low, label}, Row{high, label})
	}
	var x Image
	x[0] = 1 // Distance 1 to the images of 0 in one pixel, and 1 to those of 1 in 63.
	label, scores := learn(t, Weak, rows).Predict(x)
	if got, want := math.Log(scores[0]/scores[1]), 62.0/8; label != 0 || math.Abs(got-want) > 1e-9 {
		t.Errorf("label %d with log odds %v against 1, want 0 with %v", label, got, want)
	}
}

// TestGradientIsTheSlopeOfTheLoss compares the gradient that is computed
// backwards with central differences of the cross-entropy.
func TestGradientIsTheSlopeOfTheLoss(t *testing.T) {
	train, _ := load(t)
	rng := rand.New(rand.NewPCG(3, 4))
	n := &network{}
	n.start(rng)
	row := train[0]
	g := &weights{}
	n.backward(&row, g)
	loss := func() float64 {
		_, s := n.forward(&row.Pixels)
		return -math.Log(s[row.Label])
	}
	check := func(name string, w *float64, got float64) {
		const h = 1e-6
		old := *w
		*w = old + h
		up := loss()
		*w = old - h
		down := loss()
		*w = old
		if want := (up - down) / (2 * h); math.Abs(got-want) > 1e-7 {
			t.Errorf("slope of %s is %v, differences give %v", name, got, want)
		}
	}
	for range 300 {
		j, i := rng.IntN(hidden), rng.IntN(Pixels+1)
		check("an input weight", &n.in[j][i], g.in[j][i])
		k, j := rng.IntN(Classes), rng.IntN(hidden+1)
		check("an output weight", &n.out[k][j], g.out[k][j])
	}
}

func BenchmarkTrain(b *testing.B) {
	train, _ := load(b)
	for _, kind := range kinds {
		b.Run(string(kind), func(b *testing.B) {
			for b.Loop() {
				learn(b, kind, train)
			}
		})
	}
}

func BenchmarkPredict(b *testing.B) {
	train, test := load(b)
	for _, kind := range kinds {
		b.Run(string(kind), func(b *testing.B) {
			m := learn(b, kind, train)
			i := 0
			for b.Loop() {
				m.Predict(test[i%len(test)].Pixels)
				i++
			}
		})
	}
}
