locals {
  functions = toset(["ingestion", "analysis", "dashboard"])
}

resource "aws_lambda_function" "service" {
  for_each = local.functions

  function_name = "${local.prefix}-${each.key}"
  role          = var.function_role_arn
  runtime       = "python3.11"
  handler       = "service.${each.key}.handler"
  memory_size   = 256
  timeout       = 10
  publish       = true

  s3_bucket = "${local.prefix}-deployments"
  s3_key    = "${each.key}/lambda-${var.model_version}.zip"

  environment {
    variables = {
      ITEMS_TABLE    = aws_dynamodb_table.items.name
      API_KEY_SECRET = aws_secretsmanager_secret.dashboard_api_key.name
    }
  }

  tags = merge(local.tags, { release = var.model_version })
}

# Callers of the dashboard follow the alias: publishing new code alone changes nothing for them.
resource "aws_lambda_alias" "dashboard" {
  name             = "live"
  function_name    = aws_lambda_function.service["dashboard"].function_name
  function_version = aws_lambda_function.service["dashboard"].version
}

resource "aws_lambda_function_url" "dashboard" {
  function_name      = aws_lambda_function.service["dashboard"].function_name
  qualifier          = aws_lambda_alias.dashboard.name
  authorization_type = "NONE"
}
