// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// ticket is a customer's request for help, as both models get it.
type ticket struct {
	Customer string `json:"customer"`
	Tier     string `json:"tier"`
	Text     string `json:"text"`
	// Topic is what the customer chose in the portal's form. Only premium
	// customers have the portal; the others write mails.
	Topic string `json:"topic,omitempty"`

	// queue is where the ticket belongs, an index of queues. The models learn
	// from it and never see it.
	queue int
}

// tiers are what customers pay for, and their parts of all customers.
var tiers = [...]struct {
	name string
	part float64
}{{"free", 0.4}, {"standard", 0.4}, {"premium", 0.2}}

// queue is a team that takes tickets, how customers write to it, and what they
// choose in the portal.
type queue struct {
	name            string
	phrases, topics []string
}

var queues = [...]queue{
	{"billing", []string{
		"I was charged twice for March", "the invoice shows the wrong amount", "please send me a receipt for my payment",
		"my card was declined although it is valid", "when do I get my refund", "there is a fee that nobody explained",
	}, []string{"invoice", "refund", "payment method"}},
	{"outage", []string{
		"the dashboard does not load at all", "every request ends in a timeout", "nothing has worked since this morning",
		"our production is down", "the api answers with error 503", "pages are extremely slow since the update",
	}, []string{"incident", "performance", "api errors"}},
	{"access", []string{
		"I forgot my password", "the reset link has expired", "my colleague cannot log in",
		"two factor codes are rejected", "my account is locked after three attempts", "please remove a former employee's login",
	}, []string{"single sign-on", "locked user", "permissions"}},
	{"shipping", []string{
		"my parcel has not arrived", "the tracking number is unknown to the carrier", "the package came damaged",
		"I need to change the delivery address", "one item is missing from the box", "customs are holding the shipment",
	}, []string{"delivery", "damaged goods", "customs"}},
	{"cancel", []string{
		"I want to end my subscription", "please close everything and delete my data", "we do not renew the contract",
		"how can I stop the trial before it converts", "downgrade us to the smaller plan", "I am leaving for another provider",
	}, []string{"termination", "downgrade", "data deletion"}},
}

var (
	greetings = []string{"Hello,", "Hi team,", "Good morning,", "To whom it may concern,"}
	closings  = []string{"Thanks.", "Please help.", "Regards", "This is urgent.", "I have waited for two days."}
	// notes are what people write below a form that says it all.
	notes = []string{"see the topic above", "please call me back", "details by phone", "same as last time", "as discussed with our account manager"}
)

const (
	customers = 2000
	// typos is the part of words with a typing error; hurried the part that
	// people leave out of what they had to say.
	typos   = 0.12
	hurried = 0.45
	// terse is the part of portal tickets whose text says nothing of the matter.
	terse = 0.45
)

// draw makes n tickets; the same seed makes the same.
func draw(seed uint64, n int) []ticket {
	rng := rand.New(rand.NewPCG(seed, 0))
	all := make([]ticket, n)
	for i := range all {
		customer := rng.IntN(customers)
		all[i] = ticket{Customer: fmt.Sprintf("customer-%d", customer), Tier: tierOf(customer), queue: rng.IntN(len(queues))}
		all[i].write(rng)
	}
	return all
}

// tierOf is what a customer pays for: it does not change.
func tierOf(customer int) string {
	at := float64(customer%10) / 10
	for _, t := range tiers {
		if at < t.part {
			return t.name
		}
		at -= t.part
	}
	return tiers[len(tiers)-1].name
}

// write has the customer write.
func (t *ticket) write(rng *rand.Rand) {
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	q := &queues[t.queue]
	text := pick(q.phrases) + " " + pick(q.phrases)
	if t.Tier == "premium" {
		t.Topic = pick(q.topics)
		if rng.Float64() < terse {
			text = pick(notes)
		}
	}
	said := []string{pick(greetings)}
	for word := range strings.FieldsSeq(text) {
		switch u := rng.Float64(); {
		case u < hurried:
		case u < hurried+typos:
			said = append(said, mistype(rng, word))
		default:
			said = append(said, word)
		}
	}
	t.Text = strings.Join(append(said, pick(closings)), " ")
}

// mistype swaps two letters that stand side by side, if there are two.
func mistype(rng *rand.Rand, word string) string {
	if len(word) < 2 {
		return word
	}
	letters := []byte(word)
	at := rng.IntN(len(letters) - 1)
	letters[at], letters[at+1] = letters[at+1], letters[at]
	return string(letters)
}
