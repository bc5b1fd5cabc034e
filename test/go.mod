module github.com/headgate-dev/headgate/test

go 1.26.0

replace github.com/headgate-dev/headgate => ..
