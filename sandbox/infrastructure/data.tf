resource "aws_dynamodb_table" "items" {
  name         = "${local.prefix}-items"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "source_id"
  range_key    = "timestamp"

  attribute {
    name = "source_id"
    type = "S"
  }

  attribute {
    name = "timestamp"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  tags = local.tags
}

# The value is put there by hand, once: no secret passes through Terraform or its state.
resource "aws_secretsmanager_secret" "dashboard_api_key" {
  name        = "${var.environment}/sentiment/dashboard-api-key"
  description = "Key that callers of the dashboard send in X-API-Key."
  tags        = local.tags
}
