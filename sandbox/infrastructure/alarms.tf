resource "aws_sns_topic" "alarms" {
  name              = "${local.prefix}-alarms"
  signature_version = 2
  tags              = local.tags
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = local.functions

  alarm_name          = "${local.prefix}-${each.key}-errors"
  alarm_description   = "The health checks of the ${each.key} function fail."
  namespace           = "Sentiment/Health"
  metric_name         = "FailedChecks"
  dimensions          = { FunctionName = aws_lambda_function.service[each.key].function_name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 2
  treat_missing_data  = "missing"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = local.tags
}

resource "aws_cloudwatch_composite_alarm" "service" {
  alarm_name        = "${local.prefix}-service"
  alarm_description = "The service fails for its users."
  alarm_rule        = join(" OR ", [for alarm in aws_cloudwatch_metric_alarm.errors : "ALARM(\"${alarm.alarm_name}\")"])
  alarm_actions     = [aws_sns_topic.alarms.arn]
  ok_actions        = [aws_sns_topic.alarms.arn]
  tags              = local.tags
}
