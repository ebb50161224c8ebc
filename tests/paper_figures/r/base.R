# Base R (stats) on published counts: tests of paired proportions, intervals from their definitions, families of p-values.
say <- function(name, ...) cat(name, formatC(c(...), digits = 10, format = "g"), "\n")

for (n in list(c(1, 7), c(121, 59), c(150, 86))) {
  name <- paste0("mcnemar_", n[1], "_", n[2])
  table <- matrix(c(10, n[2], n[1], 10), 2)
  say(paste0(name, "_exact"), binom.test(n[1], sum(n))$p.value)
  say(paste0(name, "_mid_p"), 2 * pbinom(min(n) - 1, sum(n), 0.5) + dbinom(min(n), sum(n), 0.5))
  say(paste0(name, "_asymptotic"), mcnemar.test(table, correct = FALSE)$p.value)
  say(paste0(name, "_corrected"), mcnemar.test(table, correct = TRUE)$p.value)
  fit <- summary(glm(cbind(n[1], n[2]) ~ 1, family = binomial))$coefficients
  say(paste0("logit_", n[1], "_", n[2]), fit[1, 1:2])
}

# Tango's interval: the score at the restricted maximum of the likelihood, found numerically, set to the normal quantile.
score <- function(delta, n10, n01, n) {
  loss <- function(q) -(n10 * log(q + delta) + n01 * log(q) + (n - n10 - n01) * log(1 - 2 * q - delta))
  q <- optimize(loss, c(max(0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12), tol = 1e-14)$minimum
  (n10 - n01 - n * delta) / sqrt(n * (2 * q + delta * (1 - delta)))
}
tango <- function(n10, n01, n) {
  end <- function(z, from, to) uniroot(function(d) score(d, n10, n01, n) - z, c(from, to), tol = 1e-12)$root
  z <- qnorm(0.975)
  c(end(z, -0.999, (n10 - n01) / n), end(-z, (n10 - n01) / n, 0.999))
}
say("tango_1_7_21", tango(1, 7, 21))
say("tango_20_5_60", tango(20, 5, 60))

wilson <- function(k, n) prop.test(k, n, correct = FALSE)$conf.int
newcombe <- function(n11, n10, n01, n00) {
  n <- n11 + n10 + n01 + n00
  p1 <- (n11 + n10) / n; p2 <- (n11 + n01) / n
  w1 <- wilson(n11 + n10, n); w2 <- wilson(n11 + n01, n)
  excess <- n11 * n00 - n10 * n01
  if (excess > 0) excess <- max(excess - n / 2, 0)
  phi <- excess / sqrt(prod(c(n11 + n10, n01 + n00, n11 + n01, n10 + n00)))
  side <- function(x, y) sqrt(x^2 - 2 * phi * x * y + y^2)
  c(p1 - p2 - side(p1 - w1[1], w2[2] - p2), p1 - p2 + side(p2 - w2[1], w1[2] - p1))
}
say("newcombe_1_1_7_12", newcombe(1, 1, 7, 12))
say("newcombe_30_20_5_5", newcombe(30, 20, 5, 5))
say("wilson_13_40", wilson(13, 40))

# Two one-sided tests of two means, from t.test.
x <- c(4, 7, 8, 6, 3, 2); y <- c(6, 8, 7, 10, 11, 9)
upper <- t.test(x, y, mu = 1, alternative = "less", var.equal = TRUE)$p.value
lower <- t.test(x, y, mu = -1, alternative = "greater", var.equal = TRUE)$p.value
say("tost", max(upper, lower))

p <- c(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1)
say("holm", p.adjust(p, "holm"))
say("bh", p.adjust(p, "BH"))

# Cochran's Q is Friedman's test of zeros and ones.
arms <- cbind(c(1, 1, 1, 0, 1, 0, 1, 1, 0, 1), c(1, 0, 1, 0, 0, 0, 1, 0, 0, 1), c(1, 1, 1, 1, 1, 0, 1, 1, 1, 1))
q <- friedman.test(arms)
say("cochran", q$statistic, q$p.value)

# Sign-flip over twelve clusters, every pattern.
d <- c(3, -1, 2, 0, 4, 1, -2, 5, 1, 1, -1, 2)
signs <- as.matrix(expand.grid(rep(list(c(-1, 1)), length(d))))
say("sign_flip", mean(abs(signs %*% d) >= abs(sum(d)) - 1e-9))
