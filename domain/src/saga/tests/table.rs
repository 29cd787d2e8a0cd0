//! The transition table, exhaustive: every command in every kind of state.

use super::*;

/// How each state is reached.
const STATES: &[(&str, &str)] = &[
    ("untold", ""),
    ("running", "start"),
    ("acting", "start step:s1"),
    ("failed", "start step:s1 fail:s1"),
    ("retrying", "start step:s1 fail:s1 retry:s1.2"),
    ("done", "start step:s1 succeed:s1"),
    ("back", "start step:s1 succeed:s1 compensate"),
    ("fallen", "start step:s1 fail:s1 compensate"),
    ("abandoned", "start step:s1 fail:s1 retry:s1.2 compensate"),
    ("undoing", "start step:s1 succeed:s1 compensate step:u1"),
    ("undone", "start step:s1 succeed:s1 compensate step:u1 succeed:u1"),
    ("stuck", "start step:s1 attention"),
    ("completed", "start step:s1 succeed:s1 complete"),
    ("compensated", "start step:s1 succeed:s1 compensate step:u1 succeed:u1 finish"),
];

const TABLE: &str = "
untold       start       started
untold       step:s1     !saga_absent
untold       step:s1.2   !saga_absent
untold       succeed:s1  !saga_absent
untold       fail:s1     !saga_absent
untold       retry:s1.2  !saga_absent
untold       step:u1     !saga_absent
untold       succeed:u1  !saga_absent
untold       fail:u1     !saga_absent
untold       retry:u1.2  !saga_absent
untold       wait        !saga_absent
untold       compensate  !saga_absent
untold       complete    !saga_absent
untold       finish      !saga_absent
untold       attention   !saga_absent
untold       resume      !saga_absent
untold       resolve     !saga_absent
untold       undo        !saga_absent

running      start       -
running      step:s1     step_started
running      step:s1.2   !step_out_of_order
running      succeed:s1  !step_unknown
running      fail:s1     !step_unknown
running      retry:s1.2  !step_unknown
running      step:u1     !step_unknown
running      succeed:u1  !step_unknown
running      fail:u1     !step_unknown
running      retry:u1.2  !step_unknown
running      wait        waiting
running      compensate  compensation_begun
running      complete    completed
running      finish      !saga_not_compensating
running      attention   attention_needed
running      resume      -
running      resolve     !saga_not_in_attention
running      undo        !saga_not_in_attention

acting       start       -
acting       step:s1     -
acting       step:s1.2   !step_out_of_order
acting       succeed:s1  step_succeeded
acting       fail:s1     step_failed
acting       retry:s1.2  !step_not_failed
acting       step:u1     !saga_not_compensating
acting       succeed:u1  !step_not_started
acting       fail:u1     !step_not_started
acting       retry:u1.2  !saga_not_compensating
acting       wait        waiting
acting       compensate  compensation_begun
acting       complete    !step_still_open
acting       finish      !saga_not_compensating
acting       attention   attention_needed
acting       resume      -
acting       resolve     !saga_not_in_attention
acting       undo        !saga_not_in_attention

failed       start       -
failed       step:s1     -
failed       step:s1.2   !step_out_of_order
failed       succeed:s1  step_succeeded
failed       fail:s1     -
failed       retry:s1.2  retry_scheduled
failed       step:u1     !saga_not_compensating
failed       succeed:u1  !step_not_started
failed       fail:u1     !step_not_started
failed       retry:u1.2  !saga_not_compensating
failed       wait        waiting
failed       compensate  compensation_begun
failed       complete    !step_still_open
failed       finish      !saga_not_compensating
failed       attention   attention_needed
failed       resume      -
failed       resolve     !saga_not_in_attention
failed       undo        !saga_not_in_attention

retrying     start       -
retrying     step:s1     -
retrying     step:s1.2   step_started
retrying     succeed:s1  step_succeeded
retrying     fail:s1     -
retrying     retry:s1.2  -
retrying     step:u1     !saga_not_compensating
retrying     succeed:u1  !step_not_started
retrying     fail:u1     !step_not_started
retrying     retry:u1.2  !saga_not_compensating
retrying     wait        waiting
retrying     compensate  compensation_begun
retrying     complete    !step_still_open
retrying     finish      !saga_not_compensating
retrying     attention   attention_needed
retrying     resume      -
retrying     resolve     !saga_not_in_attention
retrying     undo        !saga_not_in_attention

done         start       -
done         step:s1     -
done         step:s1.2   !step_already_succeeded
done         succeed:s1  -
done         fail:s1     -
done         retry:s1.2  !step_already_succeeded
done         step:u1     !saga_not_compensating
done         succeed:u1  !step_not_started
done         fail:u1     !step_not_started
done         retry:u1.2  !saga_not_compensating
done         wait        waiting
done         compensate  compensation_begun
done         complete    completed
done         finish      !saga_not_compensating
done         attention   attention_needed
done         resume      -
done         resolve     !saga_not_in_attention
done         undo        !saga_not_in_attention

back         start       -
back         step:s1     -
back         step:s1.2   !saga_compensating
back         succeed:s1  -
back         fail:s1     -
back         retry:s1.2  !saga_compensating
back         step:u1     step_started
back         succeed:u1  !step_not_started
back         fail:u1     !step_not_started
back         retry:u1.2  !step_out_of_order
back         wait        waiting
back         compensate  -
back         complete    !saga_compensating
back         finish      !step_not_compensated
back         attention   attention_needed
back         resume      -
back         resolve     !saga_not_in_attention
back         undo        !saga_not_in_attention

fallen       start       -
fallen       step:s1     -
fallen       step:s1.2   !saga_compensating
fallen       succeed:s1  step_succeeded
fallen       fail:s1     -
fallen       retry:s1.2  !saga_compensating
fallen       step:u1     step_started
fallen       succeed:u1  !step_not_started
fallen       fail:u1     !step_not_started
fallen       retry:u1.2  !step_out_of_order
fallen       wait        waiting
fallen       compensate  -
fallen       complete    !saga_compensating
fallen       finish      compensated
fallen       attention   attention_needed
fallen       resume      -
fallen       resolve     !saga_not_in_attention
fallen       undo        !saga_not_in_attention

abandoned    start       -
abandoned    step:s1     -
abandoned    step:s1.2   !saga_compensating
abandoned    succeed:s1  step_succeeded
abandoned    fail:s1     -
abandoned    retry:s1.2  -
abandoned    step:u1     step_started
abandoned    succeed:u1  !step_not_started
abandoned    fail:u1     !step_not_started
abandoned    retry:u1.2  !step_out_of_order
abandoned    wait        waiting
abandoned    compensate  -
abandoned    complete    !saga_compensating
abandoned    finish      compensated
abandoned    attention   attention_needed
abandoned    resume      -
abandoned    resolve     !saga_not_in_attention
abandoned    undo        !saga_not_in_attention

undoing      start       -
undoing      step:s1     -
undoing      step:s1.2   !saga_compensating
undoing      succeed:s1  -
undoing      fail:s1     -
undoing      retry:s1.2  !saga_compensating
undoing      step:u1     -
undoing      succeed:u1  step_compensated
undoing      fail:u1     step_failed
undoing      retry:u1.2  !step_not_failed
undoing      wait        waiting
undoing      compensate  -
undoing      complete    !saga_compensating
undoing      finish      !step_still_open
undoing      attention   attention_needed
undoing      resume      -
undoing      resolve     !saga_not_in_attention
undoing      undo        !saga_not_in_attention

undone       start       -
undone       step:s1     -
undone       step:s1.2   !saga_compensating
undone       succeed:s1  -
undone       fail:s1     -
undone       retry:s1.2  !saga_compensating
undone       step:u1     -
undone       succeed:u1  -
undone       fail:u1     -
undone       retry:u1.2  !step_already_succeeded
undone       wait        waiting
undone       compensate  -
undone       complete    !saga_compensating
undone       finish      compensated
undone       attention   attention_needed
undone       resume      -
undone       resolve     !saga_not_in_attention
undone       undo        !saga_not_in_attention

stuck        start       -
stuck        step:s1     -
stuck        step:s1.2   !saga_needs_attention
stuck        succeed:s1  step_succeeded
stuck        fail:s1     step_failed
stuck        retry:s1.2  !saga_needs_attention
stuck        step:u1     !saga_needs_attention
stuck        succeed:u1  !step_not_started
stuck        fail:u1     !step_not_started
stuck        retry:u1.2  !saga_needs_attention
stuck        wait        !saga_needs_attention
stuck        compensate  !saga_needs_attention
stuck        complete    !saga_needs_attention
stuck        finish      !saga_needs_attention
stuck        attention   -
stuck        resume      resumed
stuck        resolve     resolved
stuck        undo        resolved

completed    start       -
completed    step:s1     -
completed    step:s1.2   !saga_ended
completed    succeed:s1  -
completed    fail:s1     -
completed    retry:s1.2  !saga_ended
completed    step:u1     !saga_ended
completed    succeed:u1  !saga_ended
completed    fail:u1     !saga_ended
completed    retry:u1.2  !saga_ended
completed    wait        !saga_ended
completed    compensate  !saga_ended
completed    complete    -
completed    finish      !saga_ended
completed    attention   !saga_ended
completed    resume      !saga_ended
completed    resolve     -
completed    undo        !saga_ended

compensated  start       -
compensated  step:s1     -
compensated  step:s1.2   !saga_ended
compensated  succeed:s1  -
compensated  fail:s1     -
compensated  retry:s1.2  !saga_ended
compensated  step:u1     -
compensated  succeed:u1  -
compensated  fail:u1     -
compensated  retry:u1.2  !saga_ended
compensated  wait        !saga_ended
compensated  compensate  !saga_ended
compensated  complete    !saga_ended
compensated  finish      -
compensated  attention   !saga_ended
compensated  resume      !saga_ended
compensated  resolve     !saga_ended
compensated  undo        -
";

#[test]
fn every_command_in_every_state() {
    let names = [
        "start",
        "step:s1",
        "step:s1.2",
        "succeed:s1",
        "fail:s1",
        "retry:s1.2",
        "step:u1",
        "succeed:u1",
        "fail:u1",
        "retry:u1.2",
        "wait",
        "compensate",
        "complete",
        "finish",
        "attention",
        "resume",
        "resolve",
        "undo",
    ];
    let mut seen = String::new();
    for (state, path) in STATES {
        let told = told(path);
        seen.push('\n');
        for name in names {
            seen.push_str(&format!("{state:<12} {name:<11} {}\n", answer(&told, name)));
            told.clone().when(&command(name));
        }
    }
    assert_eq!(seen, TABLE);
}
