# lme4 on our data sets: procedures as a two-way random model (REML), patients as a one-way one.
suppressMessages(library(lme4))
say <- function(name, ...) cat(name, formatC(c(...), digits = 10, format = "g"), "\n")
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10))
crossed <- read.csv("crossed.csv")
crossed$d <- crossed$correct_a - crossed$correct_b
fit <- lmer(d ~ 1 + (1 | patient) + (1 | seed), data = crossed, control = tight)
say("procedure", fixef(fit), sqrt(vcov(fit)[1, 1]))
parts <- as.data.frame(VarCorr(fit))
say("procedure_training_sd", parts$sdcor[parts$grp == "seed"])
scores <- read.csv("scores.csv")
scores$d <- scores$correct_a - scores$correct_b
fit <- lmer(d ~ 1 + (1 | patient), data = scores, control = tight)
say("patients", fixef(fit), sqrt(vcov(fit)[1, 1]))
